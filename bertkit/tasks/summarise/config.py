"""Defines the settings of extractive summarisation. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, OPTIMIZATION, TASK
from bertkit.configuration.settings import FREE, override
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.summarise.oracle import ORACLES


@dataclass(frozen=True)
class SummariseConfig(FinetuneConfig):
    """Everything that choosing sentences depends on; sizes default to BERTSum's."""

    of_the_run: ClassVar[Sequence[str]] = (
        *FinetuneConfig.of_the_run,
        "document_column",
        "summary_column",
        "language",
        "min_sentence_words",
        "max_sentence_words",
        "max_sentences",
        "max_cls_tokens",
        "summary_sentences",
        "block_trigrams",
    )

    checkpoint_dropout: ClassVar[bool] = False

    task: str = override(FinetuneConfig, "task", "summarise")
    max_seq_length: int = override(
        FinetuneConfig,
        "max_seq_length",
        512,
        help="Tokens per sequence; what of a document is beyond them is not read.",
    )
    classifier_dropout: float | None = override(
        FinetuneConfig,
        "classifier_dropout",
        help="Dropout before the head; by default none, as in BERTSum.",
    )
    document_column: str | None = setting(
        None,
        help="Column of the document, a text or a list of sentences; by default document, article,"
        " src, text or sentences.",
        group=DATA,
        metavar="NAME",
        example="article",
    )
    summary_column: str | None = setting(
        None,
        help="Column of the summary, a text or a list of sentences; by default summary,"
        " highlights, tgt or abstract.",
        group=DATA,
        metavar="NAME",
        example="highlights",
    )
    language: str = setting(
        "en",
        help="Language whose rules split texts into sentences, as spaCy knows it; xx: any.",
        group=TASK,
        metavar="CODE",
        example="de",
    )
    oracle: str = setting(
        "greedy",
        help="How the sentences to be learnt are found where no labels are given: greedy, one after"
        " the other by ROUGE-1 + ROUGE-2 against the summary; combination: the best set of all,"
        " which takes minutes for a thousand documents.",
        choices=tuple(ORACLES),
        group=TASK,
    )
    cache: str | None = setting(
        None,
        help="Folder to keep the sentences that the oracle found in, for later runs on the same"
        " documents; by default the run's own, for when it goes on.",
        on_resume=FREE,
        group=DATA,
        metavar="DIR",
    )
    summary_sentences: int = setting(
        3, help="Sentences of a summary at most, learnt and chosen.", minimum=1, group=TASK
    )
    block_trigrams: bool = setting(
        True,
        help="Do not choose a sentence that has three words in a row which a better one has too.",
        on_resume=FREE,
        group=TASK,
    )
    min_sentence_words: int = setting(
        5, help="A sentence has more words than this, or is left out.", minimum=0, group=TASK
    )
    max_sentence_words: int = setting(
        200, help="Words of a sentence that are read.", minimum=1, group=TASK
    )
    min_sentences: int = setting(
        3,
        help="A document to train on has so many sentences, or is left out.",
        minimum=1,
        group=TASK,
    )
    max_sentences: int = setting(
        100, help="Sentences of a document that are read.", minimum=1, group=TASK
    )
    max_cls_tokens: int = setting(
        0,
        help="Sentences of a document that are learnt and scored; 0: all that are read.",
        minimum=0,
        group=TASK,
    )
    loss_weight: float | None = setting(
        None,
        help="The loss of a step is the sum over sentences times this, divided by the documents; by"
        " default it is the mean over sentences.",
        minimum=0.0,
        group=OPTIMIZATION,
    )
