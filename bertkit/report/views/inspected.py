"""Tells what each input of `bertkit inspect` is, and shows what is no text and no records."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.kinds.recognise import CHECKPOINT, QUESTIONS, SETTINGS, VOCABULARY, is_model, kind_of
from bertkit.model.checkpoints.run_state import OPTIMIZER, STATE, WEIGHTS
from bertkit.records.tools import inspect as work
from bertkit.report.run_numbers import require_run, runs_within
from bertkit.storage.folder_walk import holds_more_than
from bertkit.tables.header import column_names
from bertkit.tables.text_column import find_text_key
from bertkit.tasks.comparison.seed_runs import seeds_within
from bertkit.tokenization.vocabulary import shipped_vocabs
from bertkit.train.run_files import METRICS

RUN, FOLDER, MODEL = "run", "folder", "model"
SEEDS = "seeds"  # the runs of one command with --seeds
SHAPE, WORDS = "shape", "words"  # a configuration, a vocabulary
ASKED, TABLE = "asked", "table"  # questions about passages, other tables of examples
TEXT, RECORDS = "text", "records"
VIEWS = {
    RUN: "run",
    SEEDS: "seeds",
    FOLDER: "manifest",
    MODEL: "models",
    SHAPE: "configurations",
    WORDS: "vocabularies",
    ASKED: "questions",
    TABLE: "tables",
}  # → name in the JSON object
_SINGLE_FILES = {CHECKPOINT: MODEL, SETTINGS: SHAPE, VOCABULARY: WORDS}
_OWN = (".json", ".jsonl", ".yaml")  # endings of the files of a run
_RECORD = "input_ids"  # a column of records
LISTED = {"seeds", "models", "configurations", "vocabularies", "questions", "tables"}


def named_place(name: str) -> str:
    """The file of a vocabulary that ships with bertkit, else the name; what lies here wins."""
    return name if os.path.exists(name) else str(shipped_vocabs().get(name, name))


def kind_of_input(name: str, is_text: Callable[[str], bool], most: int = 0) -> str:
    """What a local path is: one of the words of this module.

    Args:
        name: the path.
        is_text: tells text files of a known form.
        most: files and folders below a folder that bertkit did not write; 0: any number.

    Raises:
        DataError: a folder of several runs that `--seeds` did not write, or with too many files,
            or a file of a run or of no known kind; says what to give.
    """
    if os.path.isfile(os.path.join(name, METRICS)):
        return RUN
    _refuse_file_of_checkpoint(Path(name))
    if os.path.isdir(name):
        if work.has_manifest(name):
            return FOLDER
        if is_model(name):
            return MODEL
        if seeds_within(name):
            return SEEDS
        if runs_within(name):
            require_run(name)
        if most and holds_more_than(name, most):
            raise DataError(
                f"{name} is nothing that bertkit wrote and holds more than {most:,} files and"
                " folders, too many to look into unasked",
                "give one of its folders or files; --max-files 0 looks into all of them",
            )
    elif (found := kind_of(name)) and found.name in _SINGLE_FILES:
        return _SINGLE_FILES[found.name]
    _refuse_file_of_run(name)
    if kind := _kind_of_table(name):
        return kind
    return TEXT if is_text(name) else RECORDS


def _kind_of_table(name: str) -> str:
    """Questions, or a table in which no column is known to be text to pretrain on; else empty."""
    if (found := kind_of(name)) and found.name == QUESTIONS:
        return ASKED
    names = column_names(name)
    if {"question", "context"} <= set(names):
        return ASKED
    return TABLE if names and _RECORD not in names and not find_text_key(names) else ""


def view(kind: str, name: str) -> tuple[str, Any, str]:
    """(name in JSON, plain values, text) of what is neither text nor records.

    Args:
        kind: a key of `VIEWS`.
        name: a local path.

    Raises:
        DataError, ConfigError: it is damaged, or of another kind of model.
    """
    if kind == RUN:
        from bertkit.report.views.run import view_run

        return VIEWS[kind], *view_run(name)
    if kind == SEEDS:
        from bertkit.report.views.seeds import view_seeds

        return VIEWS[kind], *view_seeds(name)
    if kind == FOLDER:
        return VIEWS[kind], *work.inspect_manifest(name)
    if kind == WORDS:
        from bertkit.report.views.vocabulary import view_vocabulary

        return VIEWS[kind], *view_vocabulary(name)
    if kind in (ASKED, TABLE):
        from bertkit.report.views.table import view_questions, view_table

        return VIEWS[kind], *(view_questions if kind == ASKED else view_table)(name)
    from bertkit.report.views.model import view_config, view_model

    return VIEWS[kind], *(view_config if kind == SHAPE else view_model)(name)


def _run_around(name: str) -> Path | None:
    """The run that a file of settings or numbers lies in, or in a checkpoint of."""
    place = Path(name)
    own = place.suffix in _OWN and place.is_file()
    above = (place.parent, place.parent.parent) if own else ()
    return next((folder for folder in above if (folder / METRICS).is_file()), None)


def _refuse_file_of_run(name: str) -> None:
    """Files of a run are shown with it."""
    folder = _run_around(name)
    if folder and not work.holds_records(name):
        raise DataError(f"{name} is a file of a run", f"`bertkit inspect {folder}` shows the run")


def _refuse_file_of_checkpoint(place: Path) -> None:
    """What a run needs to go on is shown with its checkpoint."""
    beside = all((place.parent / name).is_file() for name in (STATE, WEIGHTS))
    if place.name in (STATE, OPTIMIZER) and place.is_file() and beside:
        raise DataError(
            f"{place} is a file of a checkpoint",
            f"`bertkit inspect {place.parent}` shows the checkpoint",
        )
