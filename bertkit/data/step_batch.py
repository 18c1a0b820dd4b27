"""Defines the batch of a step and of a forward pass: flat rows of tokens and their labels.

A `StepBatch` is everything one optimizer step needs, as `MicroBatch`es of flat numpy
arrays. Here is the unpadded form, in which the sequences of a micro-batch stand one after
another, longest first, so that equal lengths form runs; nothing is computed on padding.
`bertkit.data.batch_layouts` has the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bertkit.errors import DataError

Records = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass works on.

    Attributes:
        arrays: what goes to the device, int64 if not said otherwise. For pretraining:
            ids, segments, positions [T]; cls_rows, nsp_labels, nsp_weights (float32) [N];
            mlm_rows, mlm_labels, mlm_weights (float32) [K], where the weights hold all
            factors of the loss; and one that says which rows attend to which: cumulative,
            int32 [N + 1], where each span of rows begins, or mask, bool [N, L], True on
            tokens, or sequence_numbers [N, L], see `bertkit.data.fixed_shapes`.
        lengths: int64 [N], real tokens of each sequence; stays on the host.
        spans: int64, with cumulative: lengths of the spans of rows that attend to each
            other, where they are not the sequences alone; zeros are allowed.
        longest: with spans: no span is ever longer, in any batch; 0: those of this one.
        scales: factors on the host for tasks whose batches have no weights.
    """

    arrays: dict[str, np.ndarray]
    lengths: np.ndarray
    spans: np.ndarray | None = None
    longest: int = 0
    scales: dict[str, float] = field(default_factory=dict)

    @property
    def sequences(self) -> int:
        """Number of sequences."""
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Number of real tokens."""
        return int(self.lengths.sum())


@dataclass(frozen=True)
class StepBatch:
    """What one optimizer step works on.

    Attributes:
        micro_batches: in the order in which their gradients are added up.
        next_position: samples drawn from the order once this step is done; resuming
            from there gives the following step.
        counts: cases of this process by the name of a loss; where several processes share
            a step, its weights are to be multiplied by own / all cases, see
            `counted_together`; empty where that is done.
    """

    micro_batches: list[MicroBatch]
    next_position: int = 0
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def sequences(self) -> int:
        """Sequences of all micro-batches."""
        return sum(batch.sequences for batch in self.micro_batches)

    @property
    def tokens(self) -> int:
        """Real tokens of all micro-batches."""
        return sum(batch.tokens for batch in self.micro_batches)


def split(records: Records, micro_batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Cut records into micro-batches of consecutive rows; the last one may be smaller.

    Args:
        records: arrays with one leading row per record.
        micro_batch_size: rows per micro-batch.
    """
    count = len(records["input_ids"])
    for start in range(0, count, micro_batch_size):
        rows = slice(start, start + micro_batch_size)
        yield {name: values[rows] for name, values in records.items()}


def sequence_lengths(input_mask: np.ndarray) -> np.ndarray:
    """Real tokens per row of a mask [N, L] with 1 on tokens and 0 on padding, int64 [N].

    Raises:
        DataError: a row is empty or has padding before a token.
    """
    real = input_mask != 0
    lengths: np.ndarray = real.sum(axis=1, dtype=np.int64)
    columns = np.arange(input_mask.shape[1])
    broken = (real != (columns[None, :] < lengths[:, None])).any(axis=1) | (lengths == 0)
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        what = "is empty" if lengths[row] == 0 else "has padding between tokens"
        raise DataError(
            f"the sequence in row {row} of a batch {what}",
            "input_mask must be 1 on tokens, then 0 on padding; packed records are another format",
        )
    return lengths


def unpadded(records: Records) -> MicroBatch:
    """Records as one flat run of real tokens, longest sequence first.

    Args:
        records: N of them, as `weighted` gives them.
    """
    lengths = sequence_lengths(records["input_mask"])
    order = np.argsort(-lengths, kind="stable")
    records, lengths = {name: values[order] for name, values in records.items()}, lengths[order]
    length = records["input_ids"].shape[1]
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    real = np.arange(length)[None, :] < lengths[:, None]
    total = int(lengths.sum())
    positions = np.arange(total, dtype=np.int64) - np.repeat(starts, lengths)
    arrays = {
        "cumulative": np.concatenate((starts, [total])).astype(np.int32),
        "ids": records["input_ids"][real].astype(np.int64),
        "segments": records["segment_ids"][real].astype(np.int64),
        "positions": positions,
        **_targets(records, starts, lengths),
    }
    return MicroBatch(arrays, lengths)


def weighted(
    records: Records, normalisation: str, micro_batch_size: int, world: int = 1
) -> dict[str, np.ndarray]:
    """Records of a step whose weights turn their losses into the mean wanted by adding up.

    Args:
        records: the seven features, in the order of the step.
        normalisation: `global_step` divides by the masked tokens and the sequences of
            the whole step, so that accumulation changes nothing; `micro_batch` is the
            mean over micro-batches of their own means, as MLPerf, NVIDIA and Hugging
            Face have it.
        micro_batch_size: for `micro_batch`: so many records in this order are one,
            whatever a layout makes of them later.
        world: processes that share the step; each has as many sequences and micro-batches.
            With `global_step` the masked tokens are those of this process.

    Returns:
        The features with factors as `masked_lm_weights`, float32 [B, P], and
        `next_sentence_weights`, float32 [B], 0 where a record has no label.
    """
    wanted = records["masked_lm_weights"] > 0
    masked = wanted.sum(axis=1)
    group = np.arange(len(masked)) // micro_batch_size
    if normalisation == "global_step":
        mlm = np.full(len(masked), 1 / max(1, int(masked.sum())))
        nsp = np.full(len(masked), 1 / (len(masked) * world))
    else:
        parts = (int(group[-1]) + 1) * world
        mlm = 1 / (np.maximum(1, np.bincount(group, masked)) * parts)[group]
        nsp = 1 / (np.bincount(group) * parts)[group]
    labelled = records["next_sentence_labels"].reshape(-1) >= 0
    return {
        **records,
        "masked_lm_weights": (wanted * mlm[:, None]).astype(np.float32),
        "next_sentence_weights": (labelled * nsp).astype(np.float32),
    }


def checked_positions(records: Records, lengths: np.ndarray) -> np.ndarray:
    """Which predictions count, bool [N, P].

    Raises:
        DataError: one of them lies outside its sequence.
    """
    wanted: np.ndarray = records["masked_lm_weights"] > 0
    positions = records["masked_lm_positions"]
    if (wanted & ((positions < 0) | (positions >= lengths[:, None]))).any():
        raise DataError("a record predicts a token at a position outside its sequence")
    return wanted


def rescaled(batch: MicroBatch, factors: Mapping[str, float]) -> MicroBatch:
    """A micro-batch whose losses are multiplied by factors, by their names (`mlm`, `nsp`)."""
    weights = {
        f"{name}_weights": batch.arrays[f"{name}_weights"] * np.float32(factor)
        for name, factor in factors.items()
        if f"{name}_weights" in batch.arrays
    }
    scales = {name: value * factors.get(name, 1.0) for name, value in batch.scales.items()}
    return replace(batch, arrays={**batch.arrays, **weights}, scales=scales)


def counted_together(batch: StepBatch, sums: Mapping[str, float]) -> StepBatch:
    """A step of this process with weights for the cases of all processes that share it.

    Args:
        batch: counted by itself.
        sums: its counts, added up over the processes.
    """
    if not batch.counts:
        return batch
    factors = {name: own / max(1.0, sums[name]) for name, own in batch.counts.items()}
    parts = [rescaled(micro, factors) for micro in batch.micro_batches]
    return replace(batch, micro_batches=parts, counts={})


def multiplied(batch: MicroBatch, factor: float) -> MicroBatch:
    """A micro-batch all of whose losses are multiplied by a factor."""
    names = {name.removesuffix("_weights") for name in batch.arrays if name.endswith("_weights")}
    return rescaled(batch, dict.fromkeys(names | batch.scales.keys(), factor))


def _targets(records: Records, starts: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Rows, labels and weights of the two heads; rows index the flattened tokens."""
    wanted = checked_positions(records, lengths)
    rows = starts[:, None] + records["masked_lm_positions"]
    return {
        "cls_rows": starts.astype(np.int64),
        "nsp_labels": np.maximum(records["next_sentence_labels"].reshape(-1), 0).astype(np.int64),
        "nsp_weights": records["next_sentence_weights"],
        "mlm_rows": rows[wanted].astype(np.int64),
        "mlm_labels": records["masked_lm_ids"][wanted].astype(np.int64),
        "mlm_weights": records["masked_lm_weights"][wanted],
    }
