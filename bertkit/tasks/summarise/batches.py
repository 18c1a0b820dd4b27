"""Puts documents into batches: where the sentences begin, and which are to be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import numpy as np
from torch import Tensor, nn

from bertkit.data.step_batch import MicroBatch
from bertkit.tasks.finetuning.samples import Batcher, Sample
from bertkit.tasks.finetuning.task import WEIGHTS
from bertkit.tasks.summarise.sentences import DocumentTokens
from bertkit.train.token_batch import token_batch


class DocumentBatcher(Batcher):
    """Makes micro-batches of documents.

    Args:
        padded_length: tokens of every row; 0 keeps real tokens only.
        room: sentences of every row, where rows are padded.
    """

    fills: ClassVar[Mapping[str, float]] = {
        "sentence_rows": 0,
        "sentence_labels": 0,
        "sentence_real": 0,
        "sentence_of": 0,
    }

    def __init__(self, padded_length: int = 0, room: int = 0) -> None:
        super().__init__(padded_length)
        self._room = room if padded_length else 0

    def rows(self, samples: Sequence[Sample]) -> list[int]:
        """Sentences of each document, padding included."""
        return [self._room or len(sample.places) for sample in _documents(samples)]

    def places(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """`sentence_rows`, int64 [K]: where each sentence's [CLS] is; 0 for padding."""
        starts = batch.arrays["cls_rows"]
        rows = [first + d.places for first, d in zip(starts, _documents(samples), strict=True)]
        return {"sentence_rows": self._filled(rows, np.int64)}

    def targets(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """`sentence_labels`, float32; `sentence_real`, 1 but on padding; the document of each."""
        labels = [sample.target for sample in samples]
        real = [np.ones(len(marks)) for marks in labels]
        return {
            "sentence_labels": self._filled(labels, np.float32),
            "sentence_real": self._filled(real, np.float32),
            "sentence_of": np.repeat(np.arange(len(samples)), self.rows(samples)),
        }

    def _filled(self, values: Sequence[np.ndarray], kind: type) -> np.ndarray:
        """The values of all documents, one after another."""
        if not self._room:
            return np.concatenate(values).astype(kind)
        table: np.ndarray = np.zeros((len(values), self._room), kind)
        for row, own in zip(table, values, strict=True):
            row[: len(own)] = own
        return table.reshape(-1)


class SentenceObjective:
    """Learn which sentences belong to a summary; without labels give the scores of all."""

    trains_all = True

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`; the weights hold all factors."""
        tokens, rows = token_batch(tensors, batch), tensors["sentence_rows"]
        if "sentence_labels" not in tensors:
            outputs = model(tokens, rows)
            return next(iter(outputs.values())).new_zeros(()), outputs
        weights = tensors[WEIGHTS][tensors["sentence_of"]] * tensors["sentence_real"]
        sums = model(tokens, rows, tensors["sentence_labels"], weights)
        loss = sums.pop("loss")
        return loss, {name: value.detach() for name, value in sums.items()}


def _documents(samples: Sequence[Sample]) -> Sequence[DocumentTokens]:
    return cast(Sequence[DocumentTokens], samples)
