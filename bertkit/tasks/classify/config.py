"""Defines the settings of classification and regression. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, OPTIMIZATION, TASK
from bertkit.configuration.settings import FREE, override
from bertkit.tables.table import QUOTINGS
from bertkit.tasks.classify.glue import GLUE, files_in
from bertkit.tasks.finetuning.config import FinetuneConfig

BALANCED = "balanced"
NONE = "none"  # as a column: there is none


@dataclass(frozen=True)
class TableConfig(FinetuneConfig):
    """Where the texts of a table are."""

    of_the_run: ClassVar[Sequence[str]] = (
        *FinetuneConfig.of_the_run,
        "text_column",
        "pair_column",
        "label_column",
        "header",
        "quoting",
        "glue",
    )

    glue: str | None = setting(
        None,
        help="Task of GLUE whose own files are read; the presets glue-* set it.",
        choices=tuple(GLUE),
        group=TASK,
    )
    data_dir: str | None = setting(
        None,
        help="Folder of the task in GLUE's download: it has the files that are not given.",
        on_resume=FREE,
        group=DATA,
        metavar="DIR",
    )
    text_column: str | None = setting(
        None,
        help="Column of the text, by its name in the header or by its number from 1; by default"
        " one of the usual names, such as sentence, text, sentence1 or question.",
        group=DATA,
        first=True,
        metavar="NAME",
        example="review",
    )
    pair_column: str | None = setting(
        None,
        help="Column of the second text, for pairs; none: single texts. By default the partner of"
        " the usual names.",
        group=DATA,
        metavar="NAME",
        example="hypothesis",
    )
    label_column: list[str] = setting(
        factory=list,
        help="Column of the label or score; by default label, labels or score. classify: several"
        " columns of 0 and 1 are several labels; repeatable.",
        group=DATA,
        first=True,
        metavar="NAME",
        example="stars",
    )
    header: bool = setting(
        True,
        help="The first row of CSV and TSV files has the names of the columns.",
        on_resume=FREE,
        group=DATA,
    )
    quoting: str = setting(
        "auto",
        help="csv: fields may stand in quotation marks; none: every character counts; auto: none"
        " where tabs stand between the fields.",
        choices=QUOTINGS,
        group=DATA,
    )

    def __post_init__(self) -> None:
        """Take the files that are not given from GLUE's folder."""
        if not (self.glue and self.data_dir):
            return
        train, dev, test = files_in(self.glue, self.data_dir)
        filled = {
            "train_file": self.train_file or (None if self.do_train is False else train),
            "eval_file": self.eval_file or ([] if self.do_eval is False else dev),
            "predict_file": self.predict_file or ([] if self.do_predict is False else test),
        }
        for name, value in filled.items():
            object.__setattr__(self, name, value)

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = super().problems()
        if self.data_dir and not self.glue:
            found.append("--data-dir needs --glue, or a preset glue-*")
        if self.glue and (self.glue == "stsb") != (self.task == "regress"):
            found.append(f"--glue {self.glue} is not for --task {self.task}")
        return found


def takes_pairs(run: Mapping[str, Any]) -> bool | None:
    """Whether a model is of pairs of texts; None where its settings do not tell.

    Args:
        run: `glue`, `text_column` and `pair_column` of the run that trained it.
    """
    if run.get("glue"):
        return bool(GLUE[run["glue"]].pair)
    if run.get("pair_column") is not None:
        return bool(run["pair_column"] != NONE)
    return False if run.get("text_column") is not None else None


@dataclass(frozen=True)
class ClassifyConfig(TableConfig):
    """Everything that classifying texts depends on."""

    of_the_run: ClassVar[Sequence[str]] = (
        *TableConfig.of_the_run,
        "multi_label",
        "label_separator",
    )

    task: str = override(FinetuneConfig, "task", "classify")
    labels: list[str] = setting(
        factory=list,
        help="The labels in their order, or @FILE with one a line; by default those of the"
        " training file, sorted, or as it notes them. The second of two is the positive one of"
        " F1; repeatable.",
        group=TASK,
        metavar="NAME",
        example="positive",
    )
    multi_label: bool = setting(False, help="A text has any number of labels.", group=TASK)
    label_separator: str = setting(
        ",",
        help="What stands between the labels of a text, with --multi-label.",
        group=TASK,
        metavar="TEXT",
        example=";",
    )
    class_weights: list[str] = setting(
        factory=list,
        help="Factor of each label in the loss, LABEL=NUMBER; or balanced: by how rare it is in"
        " the training file (as scikit-learn computes it); repeatable.",
        group=OPTIMIZATION,
        metavar="LABEL=NUMBER",
        example="rare=4",
    )


@dataclass(frozen=True)
class RegressConfig(TableConfig):
    """Everything that giving texts a score depends on."""

    task: str = override(FinetuneConfig, "task", "regress")
