"""Reads the questions of SQuAD (v1.1 and v2.0) and checks that they fit their use."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from bertkit import log
from bertkit.errors import DataError
from bertkit.tasks.squad.question import Question
from bertkit.tasks.squad.question_files import questions_in


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
    """Read questions.

    Args:
        path: SQuAD's JSON of v1.1 or v2.0, or a table of questions, local or remote; see
            `bertkit.tasks.squad.question_files`.
        version_2: a question without answers is unanswerable, in training as in scoring;
            questions whose `is_impossible` says otherwise are counted in a warning. Without
            it a file that has such a flag set is refused.
        training: every question needs exactly one answer, or none with `version_2`.
        limit: stop after so many questions; 0 reads all.

    Raises:
        DataError: of another form, empty, or not fit for what it is to be used for; names file,
            article, paragraph and question, or the row.
    """
    questions: list[Question] = []
    seen: set[str] = set()
    contradicted: list[str] = []
    for question, flag, place in questions_in(str(path)):
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
