"""Makes micro-batches of constant shapes, for devices that compile what they run.

A micro-batch has N rows of L tokens, with room for P predictions and S sequences in every
row, whatever it holds: the rest is padding of weight 0. The weights contain all factors of
the loss, so that no value of one batch becomes a constant of a compiled program.

Arrays, int64 if not said otherwise: ids, segments, positions [N * L]; cls_rows,
nsp_labels, nsp_weights (float32) [N * S]; mlm_rows, mlm_labels, mlm_weights (float32)
[N * P]; and what may attend to what: mask, bool [N, L], True on tokens, or of packed rows
sequence_numbers [N, L], from 1 in each row, 0 on padding. Rows and labels of padding are 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bertkit.data.step_batch import MicroBatch, Records, checked_positions, sequence_lengths
from bertkit.records.files.packs.formats import HABANA, PackShape, pack_shape


def fixed_padded(records: Records, rows: int) -> MicroBatch:
    """Up to N records, one per row.

    Args:
        records: as `step_batch.weighted` returns them, in the order of their rows.
        rows: N; the rest is padded with empty sequences.
    """
    lengths = sequence_lengths(records["input_mask"])
    wanted = checked_positions(records, lengths)
    length = records["input_ids"].shape[1]
    starts = np.arange(len(lengths), dtype=np.int64) * length
    targets = np.where(wanted, starts[:, None] + records["masked_lm_positions"], 0)
    mask = np.arange(length)[None, :] < lengths[:, None]
    arrays = {
        "ids": np.where(mask, records["input_ids"], 0),
        "segments": np.where(mask, records["segment_ids"], 0),
        "cls_rows": starts,
        "mlm_rows": targets,
        "mlm_labels": np.where(wanted, records["masked_lm_ids"], 0),
        "nsp_labels": np.maximum(records["next_sentence_labels"].reshape(-1), 0),
    }
    flat = {name: _padded(values, rows).astype(np.int64) for name, values in arrays.items()}
    flat["positions"] = np.tile(np.arange(length, dtype=np.int64), rows)
    flat["mask"] = _padded(mask, rows).reshape(rows, length)
    flat["mlm_weights"] = _padded(np.where(wanted, records["masked_lm_weights"], 0), rows)
    flat["nsp_weights"] = _padded(records["next_sentence_weights"], rows)
    return MicroBatch(_floats(flat), lengths)


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    """[n, ...] with zeros up to `rows`, flattened."""
    result = np.zeros((rows, *values.shape[1:]), values.dtype)
    result[: len(values)] = values
    return result.reshape(-1)


def _floats(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: values.astype(np.float32) if name.endswith("_weights") else values
        for name, values in arrays.items()
    }


def pack_records(
    records: Records, sequences: int, predictions: int | None = None
) -> tuple[PackShape, np.ndarray]:
    """Plan which records share a row.

    Args:
        records: of a step; the seven features.
        sequences: most sequences per row, S.
        predictions: room for predictions per row; None takes P + S of the records.

    Returns:
        (shape of a row; record numbers of each pack, int64 [packs, S], -1 where it holds
        fewer), see `records.instances.packing.plan_packs`.
    """
    from bertkit.records.instances.packing import plan_packs  # loads the record kernels

    lengths = sequence_lengths(records["input_mask"])
    predicted = (records["masked_lm_weights"] > 0).sum(axis=1)
    length, most = records["input_ids"].shape[1], records["masked_lm_ids"].shape[1]
    shape = pack_shape(HABANA, length, most, sequences)
    if predictions is not None:
        shape = PackShape(length, predictions, sequences)
    return shape, plan_packs(lengths, predicted.astype(np.int64), shape)


def fixed_packed(
    records: Records,
    packed: np.ndarray,
    shape: PackShape,
    rows: int,
    cls_place: str = "own_position",
) -> MicroBatch:
    """Up to N packs, one per row.

    Args:
        records: as `step_batch.weighted` returns them.
        packed: record numbers of the packs, see `pack_records`.
        shape: L, P and S of a row.
        rows: N; the rest is padded with empty rows.
        cls_place: `own_position` leaves every [CLS] before its sequence (Habana);
            `end_of_pack` puts them all at the end of the row, the first sequence's last
            (Graphcore). What is computed is the same.
    """
    row, place = np.nonzero(packed >= 0)  # place: number of the sequence in its row
    part = {name: values[packed[row, place]] for name, values in records.items()}
    lengths = sequence_lengths(part["input_mask"])
    wanted = checked_positions(part, lengths)
    cls_rows, first = _places(lengths, row, place, shape.length, cls_place)
    # Where every real token goes; [CLS] may lie apart from its sequence.
    columns = np.arange(shape.length)[None, :]
    real = columns < lengths[:, None]
    target = np.where(columns == 0, cls_rows[:, None], first[:, None] + columns)[real]

    def spread(values: np.ndarray, where: np.ndarray, size: int) -> np.ndarray:
        result = np.zeros(rows * size, np.float32 if values.dtype.kind == "f" else np.int64)
        result[where] = values
        return result

    # Every masked token: the sequence it is in, and its row of the flattened tokens.
    case, slot = np.nonzero(wanted)
    at = part["masked_lm_positions"][case, slot]
    mlm_rows = np.where(at == 0, cls_rows[case], first[case] + at)
    slots = row[case] * shape.predictions + _rank_within(row[case])
    pairs = row * shape.sequences + place
    numbers = np.repeat(place + 1, lengths)
    arrays = {
        "ids": spread(part["input_ids"][real], target, shape.length),
        "segments": spread(part["segment_ids"][real], target, shape.length),
        "positions": spread(np.broadcast_to(columns, real.shape)[real], target, shape.length),
        "sequence_numbers": spread(numbers, target, shape.length).reshape(rows, shape.length),
        "mlm_rows": spread(mlm_rows, slots, shape.predictions),
        "mlm_labels": spread(part["masked_lm_ids"][case, slot], slots, shape.predictions),
        "mlm_weights": spread(part["masked_lm_weights"][case, slot], slots, shape.predictions),
        "cls_rows": spread(cls_rows, pairs, shape.sequences),
        "nsp_labels": spread(
            np.maximum(part["next_sentence_labels"].reshape(-1), 0), pairs, shape.sequences
        ),
        "nsp_weights": spread(part["next_sentence_weights"], pairs, shape.sequences),
    }
    return MicroBatch(arrays, lengths)


def _places(
    lengths: np.ndarray, row: np.ndarray, place: np.ndarray, length: int, cls_place: str
) -> tuple[np.ndarray, np.ndarray]:
    """(row of each [CLS], row of each token less its position) in the flattened rows."""
    before = np.cumsum(lengths) - lengths
    inside = before - before[place == 0][row] if len(row) else before
    begin = row * length + inside
    if cls_place == "own_position":
        return begin, begin
    # Each sequence before has given one token, its [CLS], to the end of the row.
    return (row + 1) * length - 1 - place, begin - place - 1


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal neighbours."""
    numbers = np.arange(len(groups))
    if not len(groups):
        return numbers
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    return numbers - np.repeat(starts, np.diff(np.append(starts, len(groups))))
