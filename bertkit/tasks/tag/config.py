"""Defines the settings of tagging words. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, EVALUATION, TASK
from bertkit.configuration.settings import FREE, override
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.tag.schemes import AUTO, NONE, SCHEMES


@dataclass(frozen=True)
class TagConfig(FinetuneConfig):
    """Everything that tagging words depends on."""

    of_the_run: ClassVar[Sequence[str]] = (
        *FinetuneConfig.of_the_run,
        "word_column",
        "tag_column",
        "tag_scheme",
        "label_pieces",
        "window_overlap",
    )

    task: str = override(FinetuneConfig, "task", "tag")
    labels: list[str] = setting(
        factory=list,
        help="The tags in their order, or @FILE with one a line; by default those of the training"
        " file, sorted, or as it notes them; repeatable.",
        group=TASK,
        metavar="NAME",
        example="B-PER",
    )
    word_column: str | None = setting(
        None,
        help="Column of the words: in CoNLL files its number from 1, or from -1 at the end, by"
        " default the first, or the second where the first numbers the words; in JSON lines its"
        " name, by default words or tokens.",
        group=DATA,
        metavar="NAME",
        example="tokens",
    )
    tag_column: str | None = setting(
        None,
        help="Column of the tags: in CoNLL files its number, by default the last; in JSON lines"
        " its name, by default tags, ner_tags or labels.",
        group=DATA,
        metavar="NAME",
        example="ner_tags",
    )
    tag_scheme: str = setting(
        AUTO,
        help="What the letters of tags mean; none: every tag is a label of its own, and only words"
        " are counted; auto: as the tags of the training file are.",
        choices=(AUTO, *SCHEMES, NONE),
        group=TASK,
    )
    strict_entities: bool = setting(
        False,
        help="Count only what keeps to the scheme as an entity, as seqeval's strict mode does; by"
        " default all that CoNLL's conlleval counts.",
        on_resume=FREE,
        group=EVALUATION,
    )
    label_pieces: str = setting(
        "first", help="Pieces of a word that learn its tag.", choices=("first", "all"), group=TASK
    )
    window_overlap: int = setting(
        32,
        help="Pieces that two windows of a sentence longer than --max-seq-length share, at most.",
        minimum=0,
        group=TASK,
    )
    predictions: str | None = setting(
        None,
        help="Score the tags of this file, of any system, against the first --eval-file; no model"
        " is needed.",
        on_resume=FREE,
        group=EVALUATION,
        metavar="FILE",
    )

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = super().problems()
        if self.predictions and not self.eval_file:
            found.append("--predictions needs --eval-file, the right tags")
        if self.predictions and (self.trains or self.predicts):
            found.append("--predictions only scores; leave --train-file and --predict-file out")
        return found
