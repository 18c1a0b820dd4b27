"""Puts windows of questions and passages into batches, for training and for answering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.tasks.squad.features import Window


@dataclass(frozen=True)
class WindowBatcher:
    """Puts windows side by side.

    Attributes:
        cls_id: vocabulary row of [CLS].
        sep_id: vocabulary row of [SEP].
        padded_length: pad every window to this length; 0 keeps real tokens only.
    """

    cls_id: int
    sep_id: int
    padded_length: int = 0

    def batch(self, windows: Sequence[Window]) -> MicroBatch:
        """Windows, longest first, as one micro-batch.

        Its arrays hold `starts` and `ends`, int64 [N], where the answers are known.
        """
        windows = by_length(windows)
        lengths = np.array([window.length for window in windows], np.int64)
        size = self.padded_length
        sizes = self.rows(windows)
        starts = np.cumsum(sizes) - sizes
        ids, segments = np.zeros((2, int(sizes.sum())), np.int64)
        for window, first in zip(windows, starts, strict=True):
            ids[first : first + window.length] = window.ids(self.cls_id, self.sep_id)
            segments[first + window.offset : first + window.length] = 1
        arrays: dict[str, np.ndarray] = {
            "ids": ids,
            "segments": segments,
            "positions": np.arange(len(ids)) - np.repeat(starts, sizes),
            "cls_rows": starts,
        }
        if size:
            arrays["mask"] = np.arange(size)[None, :] < lengths[:, None]
        else:
            arrays["cumulative"] = np.append(starts, len(ids)).astype(np.int32)
        if all(window.start is not None for window in windows):
            arrays["starts"] = np.array([window.start for window in windows], np.int64)
            arrays["ends"] = np.array([window.end for window in windows], np.int64)
        return MicroBatch(arrays, lengths)

    def rows(self, windows: Sequence[Window]) -> np.ndarray:
        """Rows that each window takes in a batch, padding included, int64 [N]."""
        lengths = [self.padded_length or window.length for window in windows]
        return np.array(lengths, np.int64)


def by_length(windows: Sequence[Window]) -> list[Window]:
    """Longest first; equal ones keep their order."""
    return sorted(windows, key=lambda window: -window.length)


@dataclass(frozen=True)
class WindowFeed:
    """The training windows as steps.

    Attributes:
        windows: with known answers.
        order: in which they are seen.
        batcher: makes batches.
        global_batch_size: windows per step.
        micro_batch_size: windows per forward pass.
        rank: of this process; it takes the rank-th part of every step.
        world: processes that share the work; the order of steps does not depend on it.
    """

    windows: Sequence[Window]
    order: SampleOrder
    batcher: WindowBatcher
    global_batch_size: int
    micro_batch_size: int
    rank: int = 0
    world: int = 1

    def steps(self, position: int, limit: int) -> Iterator[StepBatch]:
        """The step batches from a position of the order on; `limit` of them."""
        share = self.global_batch_size // self.world
        for _ in range(limit):
            numbers = self.order.take(position + self.rank * share, share)
            position += self.global_batch_size
            chosen = [self.windows[number] for number in numbers]
            size = self.micro_batch_size
            parts = [
                self._weighted(self.batcher.batch(chosen[first : first + size]))
                for first in range(0, len(chosen), size)
            ]
            yield StepBatch(parts, position)

    def _weighted(self, batch: MicroBatch) -> MicroBatch:
        """With every window's factor in the loss, so that the loss is the mean of the step."""
        weights = np.full(batch.sequences, 1 / self.global_batch_size, np.float32)
        return replace(batch, arrays={**batch.arrays, "span_weights": weights})


@dataclass(frozen=True)
class AnswerBatches:
    """Windows to be answered, one micro-batch each time; its length is their number.

    Attributes:
        parts: windows of each batch, longest first.
        batcher: makes batches.
    """

    parts: Sequence[Sequence[Window]]
    batcher: WindowBatcher

    def __call__(self) -> Iterator[StepBatch]:
        """The batches; `next_position` counts windows."""
        position = 0
        for part in self.parts:
            position += len(part)
            yield StepBatch([self.batcher.batch(part)], position)

    def __len__(self) -> int:
        return len(self.parts)
