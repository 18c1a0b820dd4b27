"""Makes samples and batches of windows of words, and computes their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from bertkit.data.step_batch import MicroBatch
from bertkit.tasks.finetuning.samples import Batcher, Sample
from bertkit.tasks.finetuning.task import WEIGHTS
from bertkit.tasks.tag.windows import Window
from bertkit.train.token_batch import token_batch

ROWS, LABELS, OWNERS = "tag_rows", "tag_labels", "tag_owners"
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Target:
    """What is looked at in a window.

    Attributes:
        sentence: number of the sentence among the examples.
        window: of it.
        rows: int64 [R], the tokens that have a label.
        labels: int64 [R]; None where they are not known.
    """

    sentence: int
    window: Window
    rows: np.ndarray
    labels: np.ndarray | None


class WindowBatcher(Batcher):
    """Windows with the labels of their words.

    Where rows are not padded, `tag_rows` int64 [R] has the rows that are looked at; otherwise
    all are, as engines with fixed shapes want it.
    """

    fills: ClassVar[Mapping[str, float]] = {ROWS: 0, LABELS: IGNORED, OWNERS: 0}

    def places(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """`tag_rows`, unless rows are padded."""
        if self.padded_length:
            return {}
        pairs = zip(samples, batch.arrays["cls_rows"], strict=True)
        return {ROWS: np.concatenate([sample.target.rows + first for sample, first in pairs])}

    def targets(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """`tag_labels` int64, one for each row looked at.

        Where rows are not padded, `tag_owners` int64 [R] has the number of each one's window.
        """
        labels = [sample.target.labels for sample in samples]
        if not self.padded_length:
            sizes = [len(own) for own in labels]
            return {LABELS: np.concatenate(labels), OWNERS: np.repeat(range(len(sizes)), sizes)}
        table = np.full((len(samples), self.padded_length), IGNORED, np.int64)
        for row, sample in zip(table, samples, strict=True):
            row[sample.target.rows] = sample.target.labels
        return {LABELS: table.reshape(-1)}

    def rows(self, samples: Sequence[Sample]) -> list[int]:
        """Those looked at, or all of them."""
        if self.padded_length:
            return self.token_rows(samples)
        return [len(sample.target.rows) for sample in samples]

    def of_words(self, sample: Sample, outputs: np.ndarray) -> np.ndarray:
        """Outputs [W, C] of the first piece of each word, from those of `rows`."""
        target: Target = sample.target
        heads = target.window.heads
        rows = heads if self.padded_length else np.searchsorted(target.rows, heads)
        return outputs.take(rows, axis=0)


class TagObjective:
    """Learn the labels; where none are given, give their scores."""

    trains_all = True

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`; the weights hold all factors."""
        tokens, rows = token_batch(tensors, batch), tensors.get(ROWS)
        if LABELS not in tensors:
            outputs = model(tokens, rows)
            return outputs["outputs"].new_zeros(()), outputs
        labels, weights = tensors[LABELS], tensors[WEIGHTS]
        if rows is not None:
            weights = weights.index_select(0, tensors[OWNERS])
        else:  # equally many rows of each
            weights = weights[:, None].expand(-1, len(labels) // len(weights)).reshape(-1)
        sums = model(tokens, rows, labels, weights)
        loss = sums.pop("loss")
        return loss, {name: value.detach() for name, value in sums.items()}
