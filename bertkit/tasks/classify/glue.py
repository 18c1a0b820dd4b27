"""Knows GLUE's own files: names, columns, label order, and the form its leaderboard takes.

Files as GLUE's download has them (Wang et al., https://arxiv.org/abs/1804.07461); columns and the
order of labels as in Google's run_classifier.py, and of tasks that it does not have as in
transformers' processors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertkit.tables.table import Row, Table

TRAIN = "train.tsv"


@dataclass(frozen=True, kw_only=True)
class GlueTask:
    """One of GLUE's tasks.

    Attributes:
        name: as in `--glue` and in the presets.
        text: column of the first text.
        pair: column of the second text; empty for single texts.
        label: column of the label or score.
        labels: in the order of the model's outputs; none for scores.
        submission: name of the leaderboard's file for each of `test`.
        dev: files to score on.
        test: files to predict.
        numbers: (text, label) columns from 1 of files without a header.
    """

    name: str
    text: str = "sentence"
    pair: str = ""
    label: str = "label"
    labels: Sequence[str] = ("0", "1")
    submission: Sequence[str]
    dev: Sequence[str] = ("dev.tsv",)
    test: Sequence[str] = ("test.tsv",)
    numbers: tuple[str, str] | None = None


_ENTAILED = ("entailment", "not_entailment")
_TASKS = (
    GlueTask(name="cola", submission=("CoLA.tsv",), numbers=("4", "2")),
    GlueTask(name="sst2", submission=("SST-2.tsv",)),
    GlueTask(
        name="mrpc", text="#1 String", pair="#2 String", label="Quality", submission=("MRPC.tsv",)
    ),
    GlueTask(
        name="stsb", text="sentence1", pair="sentence2", label="score", labels=(),
        submission=("STS-B.tsv",),
    ),
    GlueTask(
        name="qqp", text="question1", pair="question2", label="is_duplicate",
        submission=("QQP.tsv",),
    ),
    GlueTask(
        name="mnli", text="sentence1", pair="sentence2", label="gold_label",
        labels=("contradiction", "entailment", "neutral"),
        dev=("dev_matched.tsv", "dev_mismatched.tsv"),
        test=("test_matched.tsv", "test_mismatched.tsv"), submission=("MNLI-m.tsv", "MNLI-mm.tsv"),
    ),
    GlueTask(
        name="qnli", text="question", pair="sentence", labels=_ENTAILED, submission=("QNLI.tsv",)
    ),
    GlueTask(
        name="rte", text="sentence1", pair="sentence2", labels=_ENTAILED, submission=("RTE.tsv",)
    ),
)  # fmt: skip
GLUE = {task.name: task for task in _TASKS}


def has_header(task: GlueTask, rows: Sequence[Row]) -> bool:
    """Whether the first row of a file has names: CoLA's files for training have none."""
    return task.numbers is None or task.text in rows[0].values


def columns(task: GlueTask, table: Table) -> tuple[str, str, str] | None:
    """(text, pair, label) of GLUE's own file; None where it is another table."""
    if not table.names:
        return (task.numbers[0], "", task.numbers[1]) if task.numbers else None
    named = (task.text, task.pair) if task.pair else (task.text,)
    return (task.text, task.pair, task.label) if set(named) <= set(table.names) else None


def files_in(name: str, folder: str) -> tuple[str, list[str], list[str]]:
    """(training file, files to score on, files to predict, if they are there) of GLUE's folder.

    Args:
        name: of the task.
        folder: such as `glue_data/CoLA`.
    """
    task, place = GLUE[name], Path(folder)
    tests = [str(place / file) for file in task.test if (place / file).is_file()]
    return str(place / TRAIN), [str(place / file) for file in task.dev], tests


def submission_name(name: str, path: str) -> str:
    """The leaderboard's name for the predictions of a file."""
    task = GLUE[name]
    return task.submission["mismatched" in Path(path).name and len(task.submission) > 1]


def submission_text(predictions: Sequence[str]) -> str:
    """A file for the leaderboard: a header, then the number of each row and its prediction."""
    lines = [f"{number}\t{label}\n" for number, label in enumerate(predictions)]
    return "index\tprediction\n" + "".join(lines)
