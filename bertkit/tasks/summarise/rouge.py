"""Measures summaries against given ones, with the package rouge-score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bertkit.optional import require

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def require_rouge() -> Any:
    """The scorer of the four kinds, with Porter's stemmer, as BERTSum calls ROUGE (`-m`).

    Raises:
        MissingDependencyError: the package is not installed.
    """
    module = require("rouge_score.rouge_scorer", "ROUGE, the score of summaries", "summarise")
    return module.RougeScorer(list(KINDS), use_stemmer=True)


def rouge(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[str, float]:
    """Mean F1 in percent, by kind; `rougeLsum` is the ROUGE-L of papers on summaries.

    Args:
        pairs: (sentences of the summary made, sentences of the one given).
    """
    measure, count = require_rouge(), 0
    sums = dict.fromkeys(KINDS, 0.0)
    for made, given in pairs:
        found = measure.score("\n".join(given), "\n".join(made))
        count += 1
        for kind in KINDS:
            sums[kind] += found[kind].fmeasure
    return {kind: 100 * value / count for kind, value in sums.items()} if count else {}
