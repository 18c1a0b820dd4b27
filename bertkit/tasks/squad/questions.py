"""Reads questions and passages from SQuAD files (v1.1 and v2.0)."""

from __future__ import annotations

import contextlib
import gc
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError
from bertkit.kinds.misplaced import misplaced
from bertkit.kinds.recognise import QUESTIONS
from bertkit.storage.files import is_utf8, read_json

# What separates the words of a passage: exactly these, so that no-break spaces and other
# Unicode spaces stay inside a word, as in Google's run_squad.py.
_WORD = re.compile("[^ \t\r\n\u202f]+")


def split_words(text: str) -> list[str]:
    """A text's words as run_squad.py splits them."""
    return _WORD.findall(text)


@dataclass(frozen=True)
class Answer:
    """A span of the passage.

    Attributes:
        text: the answer's words.
        start: character at which it starts in the passage.
    """

    text: str
    start: int


@dataclass(eq=False)
class Passage:
    """One paragraph, shared by its questions.

    Attributes:
        text: as in the file.
    """

    text: str

    @cached_property
    def words(self) -> list[str]:
        """The text split at white space."""
        return split_words(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Character at which each word starts."""
        words = self.words
        if words and " ".join(words) == self.text:  # as nearly everywhere; twice as fast
            return list(accumulate((len(word) + 1 for word in words[:-1]), initial=0))
        return [match.start() for match in _WORD.finditer(self.text)]

    def word_at(self, character: int) -> int:
        """Number of the word that holds a character, or that precedes white space there."""
        return bisect_right(self.starts, character) - 1


@dataclass(eq=False)
class Question:
    """A question and what answers it.

    Attributes:
        id: unique in its file.
        text: the question.
        passage: the paragraph to look in.
        answers: as given; several in evaluation files, none where they are unknown.
        impossible: the passage does not answer it (v2.0): there are no answers. A file's
            `is_impossible` decides nothing, as in the official evaluation script.
    """

    id: str
    text: str
    passage: Passage
    answers: list[Answer]
    impossible: bool = False

    def answer_words(self) -> tuple[int, int] | None:
        """First and last word of the first answer.

        None where the answer is blank or the passage's words do not contain its text, which
        makes the question useless for training (a few of the original files are like that).
        """
        answer = self.answers[0]
        if not answer.text.strip():
            return None
        words = self.passage.words
        first = self.passage.word_at(answer.start)
        last = self.passage.word_at(answer.start + len(answer.text) - 1)
        if " ".join(answer.text.split()) not in " ".join(words[first : last + 1]):
            return None
        return first, last


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No search for reference cycles while very many lasting objects are made.

    Python would walk over all of them again and again and find none: a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@collector_paused()
def read_questions(
    path: str | Path, version_2: bool = False, training: bool = False, limit: int = 0
) -> list[Question]:
    """Read a SQuAD file.

    Args:
        path: JSON of v1.1 or v2.0, local or remote.
        version_2: a question without answers is unanswerable, in training as in scoring;
            questions whose `is_impossible` says otherwise are counted in a warning. Without
            it a file that has such a flag set is refused.
        training: every question needs exactly one answer, or none with `version_2`.
        limit: stop after so many questions; 0 reads all.

    Raises:
        DataError: not JSON, not of SQuAD's form, empty, or not fit for what it is to be
            used for; names file, article, paragraph and question.
    """
    try:
        content = read_json(path)
    except DataError as error:
        raise misplaced(path, QUESTIONS) or error from error
    questions: list[Question] = []
    seen: set[str] = set()
    contradicted: list[str] = []
    for question, flag, place in _all_questions(content, str(path)):
        if question.id in seen:
            raise DataError(f"{place}: this id has occurred before")
        seen.add(question.id)
        _check_use(question, flag, place, version_2=version_2, training=training)
        question.impossible = version_2 and not question.answers
        if version_2 and flag is not None and flag != question.impossible:
            contradicted.append(question.id)
        questions.append(question)
        if len(questions) == limit:
            break
    if not questions:
        raise DataError(f"{path}: holds no question")
    if contradicted:
        log.logger.warning(
            "%s: is_impossible contradicts the answers of %d of %d questions (the first is %s);"
            " the answers decide, as in the official evaluation script",
            path,
            len(contradicted),
            len(questions),
            contradicted[0],
        )
    return questions


def _all_questions(content: Any, path: str) -> Iterator[tuple[Question, bool | None, str]]:
    """Every question with its `is_impossible` (None if absent) and its place for messages."""
    articles = _get(content, "data", list, path)
    for number, article in enumerate(articles):
        title = article.get("title") if isinstance(article, dict) else None
        place = f"{path}: article {number}" + (f" ({title})" if isinstance(title, str) else "")
        for index, paragraph in enumerate(_get(article, "paragraphs", list, place)):
            here = f"{place}, paragraph {index}"
            passage = Passage(_get(paragraph, "context", str, here))
            for entry in _get(paragraph, "qas", list, here):
                name = _get(entry, "id", str, f"{here}, a question")
                spot = f"{here}, question {name}"
                flag = (
                    _get(entry, "is_impossible", bool, spot) if "is_impossible" in entry else None
                )
                yield _question(entry, name, passage, spot), flag, spot


def _question(entry: dict[str, Any], name: str, passage: Passage, place: str) -> Question:
    text = _get(entry, "question", str, place)
    answers = [
        Answer(_get(answer, "text", str, place), _get(answer, "answer_start", int, place))
        for answer in (_get(entry, "answers", list, place) if "answers" in entry else [])
    ]
    for answer in answers:
        if not 0 <= answer.start <= len(passage.text) - len(answer.text):
            raise DataError(
                f"{place}: answer_start {answer.start} and its {len(answer.text)} characters are"
                f" outside the paragraph of {len(passage.text)} characters"
            )
    return Question(name, text, passage, answers)


def _check_use(
    question: Question, flag: bool | None, place: str, *, version_2: bool, training: bool
) -> None:
    if flag and not version_2:
        raise DataError(
            f"{place}: has no answer (is_impossible)",
            "this is a v2.0 file: give --version-2-with-negative",
        )
    count = len(question.answers)
    if training and count != 1 and not (version_2 and count == 0):
        raise DataError(
            f"{place}: has {count} answers; training needs exactly one",
            "evaluation files belong to --predict-file"
            if count
            else "files with unanswerable questions need --version-2-with-negative",
        )


def _get(value: Any, key: str, kind: type, place: str) -> Any:
    """`value[key]` of the given type."""
    names = {list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected an object with {key!r}", "is this a SQuAD file?")
    if key not in value:
        raise DataError(f"{place}: has no {key!r}", "is this a SQuAD file?")
    found = value[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise DataError(f"{place}: {key!r} is not {names[kind]}")
    if isinstance(found, str) and not is_utf8(found):
        raise DataError(f"{place}: {key!r} holds half a character (a lone surrogate)")
    return found
