"""Turns batches into the form Cerebras systems take: one dictionary of features per step.

A step is one graph over its whole batch, which the compiler cuts along the first
dimension of every tensor. So all features are [N, ...] with the same N, and positions
count within their row. The features are named and meant as Cerebras' BERT has them:
int32, `input_mask` 1 on padding and 0 on tokens; of packed rows there is instead
`sequence_numbers`, from 1 in each row, 0 on padding. Unused rows are padding throughout.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.errors import ConfigError, DataError

Features = dict[str, np.ndarray]
Batches = Callable[[], Iterator[StepBatch]]

# bertkit's names of arrays → Cerebras' names of features.
NAMES = {
    "ids": "input_ids",
    "segments": "segment_ids",
    "positions": "position_ids",
    "mlm_rows": "masked_lm_positions",
    "mlm_labels": "masked_lm_ids",
    "mlm_weights": "masked_lm_weights",
    "cls_rows": "cls_positions",
    "nsp_labels": "next_sentence_labels",
    "nsp_weights": "next_sentence_weights",
    "starts": "start_positions",
    "ends": "end_positions",
    "span_weights": "span_weights",
    "labels": "labels",
    "label_weights": "label_weights",
}
# They say which rows are tokens, and become features of their own.
_GRIDS = ("mask", "sequence_numbers")
# Numbers of rows, and the weights that say which of them are used; without, all are.
LOCAL = {
    "masked_lm_positions": "masked_lm_weights",
    "cls_positions": "next_sentence_weights",
}
# Buckets group sequences for Cerebras' variable sequence length, which marks padding so.
SEGMENT_PADDING = {"bucketed": 2}
# Packed steps differ in rows: look at so many, and leave room for fuller ones.
_LOOK_AHEAD, _ROOM = 4, 1.05


def features(batch: MicroBatch, length: int, segment_padding: int = 0) -> Features:
    """The used rows of a micro-batch of constant shapes.

    Args:
        batch: with the arrays of `bertkit.data.fixed_shapes`.
        length: tokens per row to pad to.
        segment_padding: segment of padding.

    Raises:
        ConfigError: the task has inputs that Cerebras' BERT has no feature for.
    """
    unknown = sorted(batch.arrays.keys() - NAMES.keys() - {*_GRIDS})
    if unknown:
        raise ConfigError(
            f"this task does not work on cs: there is no feature for {', '.join(unknown)}",
            "use --backend cpu, cuda or hpu",
        )
    grid = _grid(batch)
    rows, width = grid.shape
    real = grid != 0
    found = {
        to: batch.arrays[name].reshape(rows, -1)
        for name, to in NAMES.items()
        if name in batch.arrays
    }
    first = np.arange(rows)[:, None] * width
    for name, weights in LOCAL.items():
        if name in found:
            found[name] = np.where(found.get(weights, 1) > 0, found[name] - first, 0)
    found["segment_ids"] = np.where(real, found["segment_ids"], segment_padding)
    wider = ((0, 0), (0, length - width))
    for name in ("input_ids", "position_ids"):
        found[name] = np.pad(found[name], wider)
    found["segment_ids"] = np.pad(found["segment_ids"], wider, constant_values=segment_padding)
    if "mask" in batch.arrays:
        found["input_mask"] = np.pad(~real, wider, constant_values=True)
    else:
        found["sequence_numbers"] = np.pad(grid, wider)
    used = real.any(axis=1)
    return {
        name: values[used].astype(np.float32 if values.dtype.kind == "f" else np.int32)
        for name, values in found.items()
    }


def padded_to_rows(parts: Sequence[Features], rows: int, segment_padding: int = 0) -> Features:
    """Features of several micro-batches one after the other, and unused rows up to `rows`.

    Raises:
        DataError: there are more.
    """
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    missing = rows - len(joined["input_ids"])
    if missing < 0:
        raise DataError(
            f"a step has {rows - missing} rows, the program was compiled for {rows}",
            f"allow more rows with --set cs.packed_rows={round(1.1 * (rows - missing))}",
        )
    padding = {"input_mask": 1, "segment_ids": segment_padding}
    return {
        name: np.concatenate(
            [values, np.full((missing, *values.shape[1:]), padding.get(name, 0), values.dtype)]
        )
        for name, values in joined.items()
    }


@dataclass(frozen=True)
class Stream:
    """All batches of a loop, as tensors; iterated on this machine or on the cluster's workers.

    On a worker it gives that worker's share: of every step the rows of its system, and of
    these steps every W-th where W workers feed a system in turn.

    Attributes:
        batches: makes the step batches, in order.
        rows: N of every tensor.
        length: tokens per row.
        segment_padding: segment of padding.
        training: a step is one tensor; else every micro-batch is.
    """

    batches: Batches
    rows: int
    length: int
    segment_padding: int = 0
    training: bool = True

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        workers, worker, share = worker_share(self.rows)
        for whole in itertools.islice(self._features(), worker, None, workers):
            yield {
                name: torch.from_numpy(np.ascontiguousarray(values[share]))
                for name, values in whole.items()
            }

    def _features(self) -> Iterator[Features]:
        for batch in self.batches():
            parts = [
                features(micro, self.length, self.segment_padding) for micro in batch.micro_batches
            ]
            for group in [parts] if self.training else [[part] for part in parts]:
                yield padded_to_rows(group, self.rows, self.segment_padding)


def input_fn(stream: Stream) -> Iterable[dict[str, Tensor]]:
    """What Cerebras' DataLoader is given: importable, so that workers find it."""
    return stream


def worker_share(rows: int) -> tuple[int, int, slice]:
    """(workers that take turns, this one's turn, its rows of a step of `rows`).

    The rule of Cerebras' sampler for several systems: the first one takes the first rows.
    """
    import cerebras.pytorch.distributed as cluster

    if not cluster.is_streamer():
        return 1, 0, slice(None)
    spec = cluster.service_resolver().cluster_spec
    own = spec.task()
    sizes = {task.wse_id: cluster.get_streaming_batch_size(rows, task.rank) for task in spec.tasks}
    begin = sum(size for system, size in sizes.items() if system < own.wse_id)
    return spec.num_workers_per_csx, own.local_rank, slice(begin, begin + sizes[own.wse_id])


@dataclass(frozen=True)
class Extent:
    """What must be known of a loop before its first batch.

    Attributes:
        steps: tensors that will come.
        rows: N of each.
        length: tokens per row.
        first_position: `next_position` of the first step.
        sequences: of the first step.
    """

    steps: int
    rows: int
    length: int
    first_position: int
    sequences: int


def measure(batches: Batches, training: bool, length: int = 0, packed_rows: int = 0) -> Extent:
    """Look at the first batches of a loop, and count them where it has no length.

    Args:
        batches: as `Adapter.loader` takes them.
        training: see `Stream`.
        length: tokens per row; 0 takes those of the first batch.
        packed_rows: rows of a packed step; 0 estimates them.

    Raises:
        DataError: there are none.
    """
    source = batches()
    first = next(source, None)
    if first is None:
        raise DataError("there is no batch to compute on")
    grid = _grid(first.micro_batches[0])
    rows, width = grid.shape
    if training:
        steps = len(batches) if isinstance(batches, Sized) else sum(1 for _ in batches())
        if "sequence_numbers" not in first.micro_batches[0].arrays:
            rows = _rows(first)
        else:
            opening = [first, *itertools.islice(source, _LOOK_AHEAD - 1)]
            fullest = math.ceil(_ROOM * max(map(_rows, opening)) / rows) * rows
            rows = packed_rows or min(first.sequences, fullest)
    else:
        steps = sum(len(batch.micro_batches) for batch in batches())
    return Extent(steps, rows, length or width, first.next_position, first.sequences)


def _grid(batch: MicroBatch) -> np.ndarray:
    """[N, L], not 0 on real tokens.

    Raises:
        ValueError: the batch has no rows of one length.
    """
    for name in _GRIDS:
        if name in batch.arrays:
            return batch.arrays[name]
    raise ValueError("the batch has no rows of one length")


def _rows(batch: StepBatch) -> int:
    """Used rows of a step."""
    return sum(int((_grid(micro) != 0).any(axis=1).sum()) for micro in batch.micro_batches)
