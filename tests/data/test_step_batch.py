from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data import step_batch
from bertkit.data.step_batch import MicroBatch, rescaled, sequence_lengths, split, weighted
from bertkit.errors import DataError


def unpadded(records):
    return step_batch.unpadded(weighted(records, "global_step", len(records["input_ids"])))


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


def test_arrays_have_the_types_that_the_model_takes():
    kinds = {name: values.dtype for name, values in unpadded(synthetic.batch(4)).arrays.items()}
    assert kinds.pop("cumulative") == np.int32
    assert {kinds.pop("mlm_weights"), kinds.pop("nsp_weights")} == {np.dtype(np.float32)}
    assert set(kinds.values()) == {np.dtype(np.int64)}


def test_split_keeps_the_order_and_the_rest():
    records = synthetic.batch(10)
    parts = list(split(records, 4))
    assert [len(part["input_ids"]) for part in parts] == [4, 4, 2]
    assert np.array_equal(
        np.concatenate([part["input_ids"] for part in parts]), records["input_ids"]
    )


def test_weights_are_those_of_both_normalisations():
    records = synthetic.batch(8)
    masked = (records["masked_lm_weights"] > 0).sum(axis=1)
    whole = weighted(records, "global_step", 4, world=2)
    assert whole["masked_lm_weights"].max() == pytest.approx(1 / masked.sum())
    assert whole["next_sentence_weights"].tolist() == pytest.approx([1 / 16] * 8)
    each = weighted(records, "micro_batch", 4, world=2)
    sums = each["masked_lm_weights"].sum(axis=1).reshape(2, 4).sum(axis=1)
    assert sums.tolist() == pytest.approx([1 / 4] * 2)
    assert masked[:4].sum() != masked[4:].sum(), "equal counts would tell nothing"
    records["next_sentence_labels"][2] = -1
    assert weighted(records, "global_step", 4)["next_sentence_weights"][2] == 0


def test_rescaling_multiplies_weights_and_scales_by_name():
    batch = unpadded(synthetic.batch(4))
    found = rescaled(batch, {"mlm": 0.25})
    assert found.arrays["mlm_weights"].sum() == pytest.approx(0.25)
    assert found.arrays["nsp_weights"] is batch.arrays["nsp_weights"]
    assert found.arrays["mlm_weights"].dtype == np.float32
    other = rescaled(MicroBatch({}, np.array([3]), scales={"span": 1.0, "mlm": 2.0}), {"mlm": 0.5})
    assert other.scales == {"span": 1.0, "mlm": 1.0}


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
