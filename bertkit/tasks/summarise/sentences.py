"""Makes one sequence of tokens of a document: [CLS] sentence [SEP] [CLS] sentence [SEP] ...

As BERTSum's and Cerebras' `BertData`: short sentences are left out, long ones cut, and what is
beyond the window is cut off, be it inside a sentence; the part that is left stays to be chosen.
Segments alternate, 0 for the first sentence and 1 for the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bertkit.tasks.finetuning.samples import Sample
from bertkit.tokenization.wordpiece import WordPieceTokenizer


def _none() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Limits:
    """What of a document goes into its sequence.

    Attributes:
        tokens: of a sequence at most.
        least_words: a sentence has more words than this, or is left out.
        most_words: of a sentence that are read.
        sentences: of a document that are read.
        scored: sentences of a sequence that are learnt and scored; 0: all.
    """

    tokens: int
    least_words: int = 5
    most_words: int = 200
    sentences: int = 100
    scored: int = 0


@dataclass(frozen=True, eq=False)
class DocumentTokens(Sample):
    """A document as the model reads it; its target: float32 [K], 1 on sentences to be chosen.

    Attributes:
        alternating: number of every token's segment, 0 or 1, int64 [L].
        places: position of each sentence's [CLS], int64 [K].
        sentences: number of each of these sentences in the document.
        cut: tokens for which the window has no room.
        lost: sentences of which nothing is read for that reason.
    """

    alternating: np.ndarray = field(default_factory=_none)
    places: np.ndarray = field(default_factory=_none)
    sentences: Sequence[int] = ()
    cut: int = 0
    lost: int = 0

    @property
    def segments(self) -> np.ndarray:
        """Number of every token's segment."""
        return self.alternating


def candidates(sentences: Sequence[Sequence[str]], limits: Limits) -> list[int]:
    """Numbers of the sentences that are read; where all are short, those are."""
    found = [n for n, words in enumerate(sentences) if len(words) > limits.least_words]
    if not found:
        found = [number for number, words in enumerate(sentences) if words]
    return found[: limits.sentences]


def tokens_of(
    words: Sequence[Sequence[str]],
    labels: Sequence[int] | None,
    tokenizer: WordPieceTokenizer,
    limits: Limits,
) -> DocumentTokens:
    """A document as tokens.

    Args:
        words: of each sentence; at least one sentence has one.
        labels: 1 on sentences to be chosen, else 0; None where unknown.
        tokenizer: of the model.
        limits: what of the document is read.
    """
    vocab = tokenizer.vocab
    read = candidates(words, limits)
    flat: list[int] = []
    for sentence in read:
        flat += [vocab.sep_id, vocab.cls_id] if sentence != read[0] else []
        text = " ".join(words[sentence][: limits.most_words])
        flat += [vocab.ids[token] for token in tokenizer.tokenize(text)]
    ids = np.array([vocab.cls_id, *flat[: limits.tokens - 2], vocab.sep_id], np.int64)
    ends = ids == vocab.sep_id
    places = np.flatnonzero(ids == vocab.cls_id)
    lost = len(read) - len(places)
    if limits.scored:
        places = places[: limits.scored]
    read = read[: len(places)]
    return DocumentTokens(
        ids=ids,
        first=0,
        target=None if labels is None else np.array([labels[n] for n in read], np.float32),
        alternating=(np.cumsum(ends) - ends) % 2,
        places=places,
        sentences=read,
        cut=max(0, len(flat) - (limits.tokens - 2)),
        lost=lost,
    )
