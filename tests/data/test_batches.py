from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.batches import (
    StepBatch,
    padded,
    sequence_lengths,
    split,
    unpadded,
    with_loss_scales,
)
from bertkit.errors import DataError


def sequences(records):
    """(ids, segments, masked position → label, nsp) of each record, the plain way."""
    found = []
    for row in range(len(records["input_ids"])):
        real = int(records["input_mask"][row].sum())
        predicted = {
            int(records["masked_lm_positions"][row, i]): int(records["masked_lm_ids"][row, i])
            for i in range(records["masked_lm_weights"].shape[1])
            if records["masked_lm_weights"][row, i] > 0
        }
        found.append(
            (
                records["input_ids"][row, :real].tolist(),
                records["segment_ids"][row, :real].tolist(),
                predicted,
                int(records["next_sentence_labels"][row]),
            )
        )
    return found


def test_unpadded_holds_every_record_and_nothing_else():
    records = synthetic.batch(17)
    batch = unpadded(records)
    arrays, starts = batch.arrays, batch.arrays["cumulative"]
    assert batch.tokens == records["input_mask"].sum() == len(arrays["ids"]) == starts[-1]
    assert list(batch.lengths) == sorted(batch.lengths, reverse=True)
    back = []
    for row in range(batch.sequences):
        place = slice(starts[row], starts[row + 1])
        inside = (arrays["mlm_rows"] >= starts[row]) & (arrays["mlm_rows"] < starts[row + 1])
        assert arrays["positions"][place].tolist() == list(range(batch.lengths[row]))
        assert arrays["cls_rows"][row] == starts[row]
        back.append(
            (
                arrays["ids"][place].tolist(),
                arrays["segments"][place].tolist(),
                dict(
                    zip(
                        (arrays["mlm_rows"][inside] - starts[row]).tolist(),
                        arrays["mlm_labels"][inside].tolist(),
                        strict=True,
                    )
                ),
                int(arrays["nsp_labels"][row]),
            )
        )
    assert sorted(map(str, back)) == sorted(map(str, sequences(records)))


def test_padded_and_unpadded_hold_the_same_tokens_in_the_same_order():
    records = synthetic.batch(9)
    flat, rows = unpadded(records), padded(records)
    real = rows.arrays["mask"].reshape(-1)
    assert rows.padded_length == 24 and len(rows.arrays["ids"]) == 9 * 24
    for name in ("ids", "segments", "positions"):
        assert np.array_equal(rows.arrays[name][real], flat.arrays[name])
    for name in ("mlm_labels", "nsp_labels"):
        assert np.array_equal(rows.arrays[name], flat.arrays[name])
    masked = rows.arrays["ids"][rows.arrays["mlm_rows"]]
    assert np.array_equal(masked, flat.arrays["ids"][flat.arrays["mlm_rows"]])
    assert (masked == synthetic.MASK).all()


def test_arrays_have_the_types_that_the_model_takes():
    for batch in (unpadded(synthetic.batch(4)), padded(synthetic.batch(4))):
        kinds = {name: values.dtype for name, values in batch.arrays.items()}
        assert kinds.pop("cumulative", np.int32) == np.int32
        assert kinds.pop("mask", np.bool_) == np.bool_
        assert set(kinds.values()) == {np.dtype(np.int64)}


def test_split_keeps_the_order_and_the_rest():
    records = synthetic.batch(10)
    parts = list(split(records, 4))
    assert [len(part["input_ids"]) for part in parts] == [4, 4, 2]
    assert np.array_equal(
        np.concatenate([part["input_ids"] for part in parts]), records["input_ids"]
    )


def test_loss_scales_of_both_normalisations():
    parts = [unpadded(part) for part in split(synthetic.batch(8), 4)]
    masked = [len(part.arrays["mlm_labels"]) for part in parts]
    assert masked[0] != masked[1], "equal counts would not tell the normalisations apart"
    whole = with_loss_scales(parts, "global_step")
    assert [part.scales for part in whole] == [{"mlm": 1 / sum(masked), "nsp": 1 / 8}] * 2
    each = with_loss_scales(parts, "micro_batch")
    assert [part.scales["mlm"] for part in each] == [1 / (2 * count) for count in masked]
    assert StepBatch(each).sequences == 8
    assert StepBatch(each).tokens == sum(part.tokens for part in parts)


def test_masks_that_are_not_a_prefix_are_refused():
    mask = np.array([[1, 1, 0], [1, 0, 1]])
    with pytest.raises(DataError, match=r"row 1 .* padding between"):
        sequence_lengths(mask)
    with pytest.raises(DataError, match=r"row 0 .* is empty"):
        sequence_lengths(np.zeros((1, 3)))


def test_predictions_outside_the_sequence_are_refused():
    records = synthetic.batch(3)
    records["masked_lm_positions"][1, 0] = 23
    records["input_mask"][1, 20:] = 0
    with pytest.raises(DataError, match="outside its sequence"):
        unpadded(records)
