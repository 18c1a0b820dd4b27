"""Defines the settings of tagging words. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bertkit.config import setting
from bertkit.settings import FREE, override
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.tag.schemes import AUTO, NONE, SCHEMES


@dataclass(frozen=True)
class TagConfig(FinetuneConfig):
    """Everything that tagging words depends on."""

    of_the_run: ClassVar[Sequence[str]] = (
        *FinetuneConfig.of_the_run,
        "word_column",
        "tag_column",
        "window_overlap",
    )

    task: str = override(FinetuneConfig, "task", "tag")
    word_column: str | None = setting(
        None,
        help="tag: column of the words, by its number from 1 (from -1 at the end) in CoNLL files,"
        " by its name in JSON lines; by default the first, or the second where the first numbers"
        " the words; words or tokens.",
        on_resume=FREE,
    )
    tag_column: str | None = setting(
        None,
        help="tag: column of the tags, in the same way; by default the last; tags, ner_tags or"
        " labels.",
        on_resume=FREE,
    )
    tag_scheme: str = setting(
        AUTO,
        help="tag: what the letters of tags mean; none: every tag is a label of its own, and only"
        " words are counted; auto: as the tags of the training file are.",
        choices=(AUTO, *SCHEMES, NONE),
    )
    strict_entities: bool = setting(
        False,
        help="tag: count only what keeps to the scheme as an entity, as seqeval's strict mode"
        " does; by default as CoNLL's conlleval does.",
        on_resume=FREE,
    )
    label_pieces: str = setting(
        "first",
        help="tag: pieces of a word that learn its tag.",
        choices=("first", "all"),
    )
    window_overlap: int = setting(
        32,
        help="tag: pieces that two windows of a sentence longer than --max-seq-length share.",
        minimum=0,
        on_resume=FREE,
    )
    predictions: str | None = setting(
        None,
        help="tag: score the tags in this file, of any system, against --eval-file; no model is"
        " needed.",
        on_resume=FREE,
    )
