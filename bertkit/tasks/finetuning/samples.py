"""Puts samples of text into batches, and fetches what a model says about each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.data.sample_feed import side_by_side
from bertkit.data.step_batch import MicroBatch, StepBatch

# What an objective calls its output where it is asked for no loss.
OUTPUTS = "outputs"


@dataclass(frozen=True, eq=False)
class Sample:
    """Tokens that are one sequence of a batch.

    Attributes:
        ids: int64 [L], with [CLS] and [SEP].
        first: so many tokens are of the first segment.
        target: what is to be learnt of it; the task's own.
    """

    ids: np.ndarray
    first: int
    target: Any = None

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.ids)

    @property
    def segments(self) -> np.ndarray:
        """Number of every token's segment, 0 or 1."""
        return np.arange(len(self.ids)) >= self.first


class Batcher:
    """Makes micro-batches of samples; a task adds its targets.

    Args:
        padded_length: tokens of every row; 0 keeps real tokens only.
    """

    def __init__(self, padded_length: int = 0) -> None:
        self.padded_length = padded_length

    def batch(self, samples: Sequence[Sample], labelled: bool = True) -> MicroBatch:
        """Samples, longest first, as one micro-batch.

        Args:
            samples: at least one.
            labelled: with targets, so that the objective gives a loss, not outputs.
        """
        samples = by_length(samples)
        ids, segments = [s.ids for s in samples], [s.segments for s in samples]
        batch = side_by_side(ids, segments, self.padded_length)
        batch.arrays.update(self.places(samples, batch))
        if labelled:
            batch.arrays.update(self.targets(samples, batch))
        return batch

    def places(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """Arrays that the model needs beside the tokens, such as rows to look at."""
        return {}

    def targets(self, samples: Sequence[Sample], batch: MicroBatch) -> dict[str, np.ndarray]:
        """Arrays of what is to be learnt; `batch` has the tokens of `samples`, in this order."""
        raise NotImplementedError

    def rows(self, samples: Sequence[Sample]) -> list[int]:
        """Rows of the objective's output that belong to each sample: here one."""
        return [1] * len(samples)

    def token_rows(self, samples: Sequence[Sample]) -> list[int]:
        """The same for outputs that have a row per token, padding included."""
        return [self.padded_length or sample.length for sample in samples]


def by_length(samples: Sequence[Sample]) -> list[Sample]:
    """Longest first; equal ones keep their order."""
    return sorted(samples, key=lambda sample: -sample.length)


@dataclass(frozen=True)
class _Parts:
    """Batches without targets, one micro-batch each time; its length is their number."""

    parts: Sequence[Sequence[int]]
    samples: Sequence[Sample]
    batcher: Batcher

    def __call__(self) -> Iterator[StepBatch]:
        position = 0
        for part in self.parts:
            position += len(part)
            chosen = [self.samples[number] for number in part]
            yield StepBatch([self.batcher.batch(chosen, labelled=False)], position)

    def __len__(self) -> int:
        return len(self.parts)


def outputs_of(
    adapter: Adapter,
    stepper: Stepper,
    batcher: Batcher,
    samples: Sequence[Sample],
    batch_size: int,
) -> list[np.ndarray]:
    """What the model says about every sample.

    Several processes take the batches in turn, and the main one gets all outputs. A batch
    holds the same samples however many processes there are.

    Args:
        adapter: of the machine; where it wants one shape, batches are padded with copies.
        stepper: of an objective that gives `OUTPUTS` where there are no targets.
        batcher: makes batches.
        samples: any number of them.
        batch_size: samples per forward pass; samples of like length go together.

    Returns:
        Per sample float32 [rows, C], as many rows as `batcher.rows` says; nothing in the
        processes beside the main one.
    """
    place = adapter.process_group.topology
    order = sorted(range(len(samples)), key=lambda number: -samples[number].length)
    parts = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    if adapter.caps.fixed_shapes and parts:
        parts[-1] = [*parts[-1], *parts[-1][-1:] * (batch_size - len(parts[-1]))]
        while len(parts) % place.world:
            parts.append(parts[-1])  # engines that join processes want as many calls of each
    own = _Parts(parts[place.rank :: place.world], samples, batcher)
    found: dict[int, np.ndarray] = {}
    if len(own):
        with adapter.loader(own, training=False) as batches:
            found = _outputs(stepper, own, batches)
    everything = adapter.process_group.collect(found)
    whole = {number: rows for part in everything for number, rows in part.items()}
    return [whole[number] for number in range(len(samples))] if place.is_main else []


def _outputs(stepper: Stepper, own: _Parts, batches: Iterable[StepBatch]) -> dict[int, np.ndarray]:
    """The outputs of some batches, which the machine's loader may have put together anew."""
    numbers = [number for part in own.parts for number in part]
    found: dict[int, np.ndarray] = {}
    done = 0
    bar = log.progress(total=len(numbers), unit="example", description="predicting")
    for batch in batches:
        outputs = stepper.predict(batch)[OUTPUTS]
        part = numbers[done : batch.next_position]
        sizes = own.batcher.rows([own.samples[number] for number in part])
        ends = np.cumsum(sizes)
        outputs = outputs.reshape(int(ends[-1]), -1)  # some engines hand over flat arrays
        for number, size, end in zip(part, sizes, ends.tolist(), strict=True):
            found.setdefault(number, outputs[end - size : end])
        bar.update(len(part))
        done = batch.next_position
    bar.close()
    return found
