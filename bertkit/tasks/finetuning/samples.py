"""Puts samples of text into batches, and fetches what a model says about each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bertkit.backends.base import Adapter, Stepper
from bertkit.data.sample_feed import side_by_side
from bertkit.data.step_batch import MicroBatch
from bertkit.tasks.finetuning.outputs import Forward, by_length, fetch

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

    Attributes:
        fills: the arrays that have an entry for every one of `rows`, not for every sequence,
            where rows are not padded; each with the number of an entry that counts nowhere.
    """

    fills: ClassVar[Mapping[str, float]] = {}

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


def outputs_of(
    adapter: Adapter,
    stepper: Stepper,
    batcher: Batcher,
    samples: Sequence[Sample],
    batch_size: int,
) -> list[np.ndarray]:
    """What the model says about every sample, see `bertkit.tasks.finetuning.outputs.fetch`.

    Args:
        adapter: of the machine.
        stepper: of an objective that gives `OUTPUTS` where there are no targets.
        batcher: makes batches.
        samples: any number of them.
        batch_size: samples per forward pass.

    Returns:
        Per sample float32 [rows, C], as many rows as `batcher.rows` says; nothing in the
        processes beside the main one.
    """
    make_batch = partial(batcher.batch, labelled=False)
    forward = Forward(make_batch=make_batch, rows=batcher.rows, batch_size=batch_size)
    return [outputs[OUTPUTS] for outputs in fetch(adapter, stepper, samples, forward)]
