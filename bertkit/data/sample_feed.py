"""Feeds samples that are in memory, for tasks that do not train on pretraining records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from bertkit.data.sample_filling import Filling
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import MicroBatch, StepBatch

Sample = TypeVar("Sample")


def side_by_side(
    ids: Sequence[np.ndarray], segments: Sequence[np.ndarray], padded_length: int = 0
) -> MicroBatch:
    """Token sequences as one micro-batch: unpadded, or in rows of one length.

    Args:
        ids: tokens of each sequence, int64, the longest sequence first.
        segments: segment numbers of each sequence's tokens.
        padded_length: pad every sequence to this length; 0 keeps real tokens only.
    """
    lengths = np.array([len(tokens) for tokens in ids], np.int64)
    sizes = np.full_like(lengths, padded_length) if padded_length else lengths
    starts = np.cumsum(sizes) - sizes
    all_ids, all_segments = np.zeros((2, int(sizes.sum())), np.int64)
    for first, tokens, numbers in zip(starts, ids, segments, strict=True):
        all_ids[first : first + len(tokens)] = tokens
        all_segments[first : first + len(tokens)] = numbers
    arrays: dict[str, np.ndarray] = {
        "ids": all_ids,
        "segments": all_segments,
        "positions": np.arange(len(all_ids)) - np.repeat(starts, sizes),
        "cls_rows": starts,
    }
    if padded_length:
        arrays["mask"] = np.arange(padded_length)[None, :] < lengths[:, None]
    else:
        arrays["cumulative"] = np.append(starts, len(all_ids)).astype(np.int32)
    return MicroBatch(arrays, lengths)


@dataclass(frozen=True)
class SampleFeed(Generic[Sample]):
    """Samples as the steps of a run, or once each for an evaluation.

    Every micro-batch gets an array of weights, float32 [N]: the factor of each sample in the
    loss, 1 / global_batch_size, so that the loss of a step is the mean over its samples. Where
    samples hold several cases each, it is 1 / all cases of the step, the mean over these.

    Attributes:
        samples: of any kind.
        order: in which they are seen in training.
        make_batch: samples → a micro-batch; can be sent to another process.
        global_batch_size: samples per step.
        micro_batch_size: samples per forward pass.
        rank: of this process; it takes the rank-th part of every step, or of all
            micro-batches of an evaluation.
        world: processes that share the work; the order of steps does not depend on it.
        weights: name of the array of weights.
        cases: how many cases each sample holds, such as labelled words; None: one.
        filling: gives the micro-batches of steps a few sizes; None: they are what they are. An
            evaluation has outputs for its samples alone, and is never filled.
    """

    samples: Sequence[Sample]
    order: SampleOrder
    make_batch: Callable[[Sequence[Sample]], MicroBatch]
    global_batch_size: int
    micro_batch_size: int
    rank: int = 0
    world: int = 1
    weights: str = "weights"
    cases: Sequence[float] | None = None
    filling: Filling | None = None

    def steps(self, position: int, limit: int) -> Iterator[StepBatch]:
        """The step batches from a position of the order on; `limit` of them."""
        share, size = self.global_batch_size // self.world, self.micro_batch_size
        for _ in range(limit):
            everything = self.order.take(position, self.global_batch_size)
            total = self._total(everything)
            numbers = everything[self.rank * share : (self.rank + 1) * share]
            position += self.global_batch_size
            chosen = [self.samples[number] for number in numbers]
            parts = [chosen[first : first + size] for first in range(0, len(chosen), size)]
            yield StepBatch([m for part in parts for m in self._passes(part, total)], position)

    def once(self) -> Iterator[StepBatch]:
        """All samples once in their own order; several processes take the batches in turn."""
        size, count = self.micro_batch_size, len(self.samples)
        for first in range(self.rank * size, count, self.world * size):
            last = min(first + size, count)
            part = self.samples[first:last]
            yield StepBatch([self._weighted(part, self.global_batch_size)], last)

    def parts(self) -> int:
        """How many step batches `once` gives this process."""
        size = self.micro_batch_size
        return len(range(self.rank * size, len(self.samples), self.world * size))

    def _total(self, numbers: np.ndarray) -> float:
        """Cases of all samples of a step; at least 1."""
        if self.cases is None:
            return self.global_batch_size
        return max(1.0, float(sum(self.cases[number] for number in numbers)))

    def _passes(self, samples: Sequence[Sample], total: float) -> Iterator[MicroBatch]:
        """The samples of a micro-batch, in several ones where they have too many tokens."""
        batch = self._weighted(samples, total)
        filled = batch if self.filling is None else self.filling.filled(batch)
        if filled is not None:
            yield filled
            return
        for half in (samples[::2], samples[1::2]):
            yield from self._passes(half, total)

    def _weighted(self, samples: Sequence[Sample], total: float) -> MicroBatch:
        batch = self.make_batch(samples)
        weights = np.full(batch.sequences, 1 / total, np.float32)
        return replace(batch, arrays={**batch.arrays, self.weights: weights})
