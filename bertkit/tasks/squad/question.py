"""Defines questions, the passages they are about, and their answers."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

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
