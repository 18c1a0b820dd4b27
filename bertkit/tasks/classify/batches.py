"""Makes samples and batches of texts and pairs of texts, and computes their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from bertkit.data.step_batch import MicroBatch
from bertkit.tasks.classify.examples import Example
from bertkit.tasks.finetuning.samples import Batcher, Sample
from bertkit.tasks.finetuning.task import WEIGHTS
from bertkit.tokenization.truncation import fitting
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.train.token_batch import token_batch


class TextBatcher(Batcher):
    """Texts with a label, labels or a score each."""

    def targets(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """`labels`: int64 [N], or float32 [N] or [N, C]."""
        return {"labels": np.array([sample.target for sample in samples])}


class TextObjective:
    """Learn the labels; where none are given, give their scores."""

    trains_all = True

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`; the weights hold all factors."""
        tokens = token_batch(tensors, batch)
        if "labels" not in tensors:
            outputs = model(tokens)
            return outputs["outputs"].new_zeros(()), outputs
        sums = model(tokens, tensors["labels"], tensors[WEIGHTS])
        loss = sums.pop("loss")
        return loss, {name: value.detach() for name, value in sums.items()}


class TextEncoder:
    """Cuts texts into tokens, as Google's run_classifier does: [CLS] A [SEP] B [SEP].

    Args:
        tokenizer: of the vocabulary.
        max_length: tokens of a sample; of a pair the longer text loses its last token first.
    """

    def __init__(self, tokenizer: WordPieceTokenizer, max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        vocab = tokenizer.vocab
        self._cls, self._sep = vocab.cls_id, vocab.sep_id

    def sample(self, example: Example, target: Any = None) -> Sample:
        """An example as tokens."""
        first = self._ids(example.text)
        second = self._ids(example.pair or "")
        if not second:
            ids = [self._cls, *first[: self._max_length - 2], self._sep]
            return Sample(np.array(ids, np.int64), len(ids), target)
        one, other = fitting(len(first), len(second), self._max_length - 3)
        ids = [self._cls, *first[:one], self._sep, *second[:other], self._sep]
        return Sample(np.array(ids, np.int64), one + 2, target)

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.ids(self._tokenizer.tokenize(text))
