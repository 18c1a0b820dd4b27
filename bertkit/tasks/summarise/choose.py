"""Chooses the sentences of a summary by their scores, as BERTSum does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def choose(
    scores: np.ndarray, sentences: Sequence[Sequence[str]], most: int, block_trigrams: bool = True
) -> list[int]:
    """Numbers of the sentences of a summary, the best first.

    Args:
        scores: float [K], one for each sentence; of equal ones the first in the document wins.
        sentences: words of each.
        most: sentences of a summary at most.
        block_trigrams: pass over a sentence that has three words in a row which a better one
            of the summary has too.
    """
    chosen: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for number in np.argsort(-np.asarray(scores), kind="stable").tolist():
        if len(chosen) == most:
            break
        words = sentences[number]
        trigrams = set(zip(words, words[1:], words[2:], strict=False))
        if not (block_trigrams and trigrams & seen):
            chosen.append(number)
            seen |= trigrams
    return chosen
