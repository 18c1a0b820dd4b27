"""From records to what one forward pass takes: flat rows of real tokens, or padded rows.

A `StepBatch` is everything one optimizer step needs, as `MicroBatch`es of flat numpy
arrays. Flat means that the sequences of a micro-batch stand one after another, longest
first, so that equal lengths form runs; nothing is computed on padding. The padded form
holds the same instances as rows of one length, for engines that want fixed shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bertkit.errors import DataError

Records = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass works on.

    Attributes:
        arrays: what goes to the device, int64 if not said otherwise. For pretraining:
            ids, segments, positions [T]; cls_rows, nsp_labels [N]; mlm_rows, mlm_labels
            [K]; when unpadded also cumulative, int32 [N + 1], where each sequence
            begins; when padded also mask, bool [N, L], True on real tokens. T counts
            rows: real tokens when unpadded, N * L when padded.
        lengths: int64 [N], real tokens of each sequence, longest first; stays on the host.
        padded_length: L in the padded layout, 0 when unpadded.
        scales: factors on the host that turn sums of losses into this step's loss.
    """

    arrays: dict[str, np.ndarray]
    lengths: np.ndarray
    padded_length: int = 0
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
        counts: cases of this process by the name of a scale; where several processes
            share a step, the scale is to be multiplied by own / all cases.
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
        records: the seven features of the pretraining schema with N rows.
    """
    records, lengths = _longest_first(records)
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


def padded(records: Records) -> MicroBatch:
    """Records as N rows of L tokens each, flattened, with the mask beside them.

    Args:
        records: the seven features of the pretraining schema with N rows.
    """
    records, lengths = _longest_first(records)
    count, length = records["input_ids"].shape
    starts = np.arange(count, dtype=np.int64) * length
    arrays = {
        "ids": records["input_ids"].reshape(-1).astype(np.int64),
        "segments": records["segment_ids"].reshape(-1).astype(np.int64),
        "positions": np.tile(np.arange(length, dtype=np.int64), count),
        "mask": records["input_mask"] != 0,
        **_targets(records, starts, lengths),
    }
    return MicroBatch(arrays, lengths, padded_length=length)


LAYOUTS = {"unpadded": unpadded, "padded": padded}


def with_loss_scales(
    micro_batches: Sequence[MicroBatch], normalisation: str, world: int = 1
) -> list[MicroBatch]:
    """Set the factors `mlm` and `nsp` that turn sums of losses into the mean wanted.

    Args:
        micro_batches: of one step.
        normalisation: `global_step` divides by the masked tokens and the sequences of
            the whole step, so that accumulation changes nothing; `micro_batch` is the
            mean over micro-batches of their own means, as MLPerf, NVIDIA and Hugging
            Face have it.
        world: processes that share the step; each has as many sequences and micro-batches.
            With `global_step`, `mlm` divides by the masked tokens of this process.
    """
    parts = len(micro_batches) * world
    tokens = [max(1, len(batch.arrays["mlm_labels"])) for batch in micro_batches]
    sequences = [batch.sequences for batch in micro_batches]
    if normalisation == "global_step":
        masked = sum(len(batch.arrays["mlm_labels"]) for batch in micro_batches)
        divisors = [(max(1, masked), sum(sequences) * world)] * len(micro_batches)
    else:
        divisors = [(a * parts, b * parts) for a, b in zip(tokens, sequences, strict=True)]
    return [
        replace(batch, scales={"mlm": 1 / mlm, "nsp": 1 / nsp})
        for batch, (mlm, nsp) in zip(micro_batches, divisors, strict=True)
    ]


def weighted(
    records: Records, normalisation: str, micro_batch_size: int, world: int = 1
) -> dict[str, np.ndarray]:
    """Records of a step whose weights turn their losses into the mean wanted by adding up.

    Args:
        records: the seven features, in the order of the step.
        normalisation: see `with_loss_scales`; a micro-batch is `micro_batch_size` records
            in this order, whatever a layout makes of them later.
        micro_batch_size: sequences per micro-batch.
        world: see `with_loss_scales`.

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


def _longest_first(records: Records) -> tuple[dict[str, np.ndarray], np.ndarray]:
    lengths = sequence_lengths(records["input_mask"])
    order = np.argsort(-lengths, kind="stable")
    return {name: values[order] for name, values in records.items()}, lengths[order]


def _targets(records: Records, starts: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Rows and labels of the two heads; rows index the flattened tokens."""
    wanted = checked_positions(records, lengths)
    rows = starts[:, None] + records["masked_lm_positions"]
    return {
        "cls_rows": starts.astype(np.int64),
        "nsp_labels": records["next_sentence_labels"].reshape(-1).astype(np.int64),
        "mlm_rows": rows[wanted].astype(np.int64),
        "mlm_labels": records["masked_lm_ids"][wanted].astype(np.int64),
    }
