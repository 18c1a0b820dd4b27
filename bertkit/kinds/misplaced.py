"""Makes the error for the wrong thing in the right place: what it is, and what belongs there."""

from __future__ import annotations

import os
from pathlib import Path

from bertkit.errors import DataError
from bertkit.kinds.recognise import (
    CHECKPOINT,
    QUESTIONS,
    RECORDS,
    SETTINGS,
    TEXT,
    VOCABULARY,
    Kind,
    kind_of,
)

_NEEDED = {
    RECORDS: "record files",
    TEXT: "text",
    VOCABULARY: "a vocabulary",
    CHECKPOINT: "a checkpoint",
    SETTINGS: "settings",
    QUESTIONS: "a SQuAD file of questions",
}
_RECORDS_FOLDER = "give the folder that `bertkit make-records` wrote"
_SENTENCES = "give sentence files, as `bertkit extract` writes them"
_TOKENS = "a vocabulary has one token per line; `bertkit train-vocab` makes one of text"
_RUN = "give the folder of a run of `bertkit pretrain`, or one of its step-* folders"
# (what is needed, what it is) → what to do; else what is needed alone decides.
_HINTS = {
    (RECORDS, TEXT): "`bertkit make-records` makes records of text",
    (RECORDS, VOCABULARY): f"this is where the records belong: {_RECORDS_FOLDER}",
    (RECORDS, QUESTIONS): f"`bertkit finetune-squad` reads it; here {_RECORDS_FOLDER}",
    (TEXT, QUESTIONS): f"`bertkit finetune-squad` reads it; here {_SENTENCES}",
    (TEXT, RECORDS): "give the text that the records were made from; `bertkit inspect` shows them",
    (TEXT, VOCABULARY): f"this is where the text belongs: {_SENTENCES}",
}
_USUAL = {
    RECORDS: _RECORDS_FOLDER,
    TEXT: _SENTENCES,
    VOCABULARY: _TOKENS,
    CHECKPOINT: _RUN,
    QUESTIONS: "questions stand in SQuAD's JSON, in JSON lines or in Parquet; texts with labels"
    " are for `bertkit finetune`",
    SETTINGS: "give a YAML file with settings by name",
}


def misplaced(path: str | Path, needed: str) -> DataError | None:
    """The error for a path that holds something else than what is needed there.

    Args:
        path: a file or folder.
        needed: RECORDS, TEXT, VOCABULARY, CHECKPOINT or SETTINGS of `recognise`.

    Returns:
        None where what it holds cannot be told, or is what is needed.
    """
    return misplaced_kind(path, kind_of(path), needed)


def misplaced_kind(path: str | Path, found: Kind | None, needed: str) -> DataError | None:
    """`misplaced` for a path of which is known what it holds."""
    if found is None or found.name == needed:
        return None
    single = found.words.startswith(("a ", "an ", "the ")) and not os.path.isdir(path)
    verb = "is" if single else "holds"
    return DataError(
        f"{path} {verb} {found.words}, not {_NEEDED[needed]}",
        _HINTS.get((needed, found.name), _USUAL[needed]),
    )


def refuse_misplaced(path: str | Path, needed: str) -> None:
    """Refuse a path that holds something else than what is needed there.

    Raises:
        DataError: says what it is, and what to give.
    """
    if error := misplaced(path, needed):
        raise error
