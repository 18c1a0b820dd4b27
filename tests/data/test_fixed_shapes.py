"""Constant shapes: what is in them, and that fill changes no number."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.fixed_shapes import fixed_packed, fixed_padded, pack_records
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import weighted
from bertkit.errors import DataError

TYPES = {"mask": np.bool_, "mlm_weights": np.float32, "nsp_weights": np.float32}


@pytest.fixture
def source(tmp_path):
    return RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 30))])


def feed(source, layout, **more):
    order = SampleOrder(len(source), seed=7)
    return RecordFeed(
        source, order, 12, 4, layout, "global_step", synthetic.VOCAB, fixed=True, **more
    )


def shapes(batch):
    return {name: (values.shape, values.dtype) for name, values in batch.arrays.items()}


@pytest.mark.parametrize("layout", ["padded", "packed"])
def test_every_micro_batch_has_the_same_shapes_and_the_documented_types(source, layout):
    """Training over the ends of epochs, and evaluation with its ragged end."""
    found = [
        micro
        for steps in (feed(source, layout).steps(0, 6), feed(source, layout).once())
        for step in steps
        for micro in step.micro_batches
    ]
    assert len({str(shapes(micro)) for micro in found}) == 1
    for name, (_, kind) in shapes(found[0]).items():
        assert kind == TYPES.get(name, np.int64), name
    assert shapes(found[0])["ids"][0] == (4 * 24,)


def test_buckets_have_one_shape_each(source):
    steps = feed(source, "bucketed", boundaries=(16, 20)).steps(0, 6)
    found = [micro for step in steps for micro in step.micro_batches]
    lengths = {micro.arrays["mask"].shape for micro in found}
    assert lengths == {(4, 16), (4, 20), (4, 24)}
    assert len({str(shapes(micro)) for micro in found}) == 3
    for micro in found:
        limits = {16: (0, 16), 20: (16, 20), 24: (20, 24)}[micro.arrays["mask"].shape[1]]
        assert all(limits[0] < length <= limits[1] for length in micro.lengths)


@pytest.mark.parametrize("layout", ["padded", "packed", "bucketed"])
def test_a_step_holds_the_sequences_of_the_order(source, layout):
    """Whatever the layout: the same sequences with the same predictions."""
    for number, step in enumerate(feed(source, layout).steps(0, 4)):
        records = source.batch(SampleOrder(len(source), seed=7).take(12 * number, 12))
        assert step.sequences == 12
        assert step.tokens == records["input_mask"].sum()
        weights = [micro.arrays["mlm_weights"] for micro in step.micro_batches]
        labels = [micro.arrays["mlm_labels"] for micro in step.micro_batches]
        kept = np.concatenate(labels)[np.concatenate(weights) > 0]
        wanted = records["masked_lm_ids"][records["masked_lm_weights"] > 0]
        assert sorted(kept) == sorted(wanted)
        assert step.counts == {"mlm": len(wanted)}
        assert np.concatenate(weights).sum() == pytest.approx(1)


def test_fill_is_empty():
    batch = fixed_padded(weighted(synthetic.batch(3), "global_step", 3), 5)
    arrays = batch.arrays
    assert batch.sequences == 3
    assert not arrays["mask"][3:].any()
    assert not arrays["ids"].reshape(5, -1)[3:].any()
    fill = arrays["mlm_weights"] == 0
    assert fill.reshape(5, -1)[3:].all()
    assert not arrays["mlm_rows"][fill].any()
    assert not arrays["mlm_labels"][fill].any()
    assert (arrays["ids"][arrays["mlm_rows"][~fill]] == synthetic.MASK).all()
    assert arrays["nsp_weights"].tolist() == pytest.approx([1 / 3] * 3 + [0, 0])


@pytest.mark.parametrize("cls_place", ["own_position", "end_of_pack"])
def test_packs_hold_their_sequences_whole(cls_place):
    records = weighted(synthetic.batch(14, length=24, seed=3), "global_step", 14)
    records["input_mask"][::2, 8:] = 0  # short ones, so that rows hold up to three
    for name in ("input_ids", "segment_ids"):
        records[name][::2, 8:] = 0
    records["masked_lm_weights"][::2][records["masked_lm_positions"][::2] >= 8] = 0
    shape, found = pack_records(records, 3)
    assert set((found >= 0).sum(axis=1)) >= {1, 3}
    batch = fixed_packed(records, found, shape, len(found) + 2, cls_place)
    arrays = batch.arrays
    ids, segments, positions, numbers = (
        arrays[name].reshape(len(found) + 2, 24)
        for name in ("ids", "segments", "positions", "sequence_numbers")
    )
    assert not numbers[len(found) :].any()
    assert not arrays["nsp_weights"].reshape(-1, 3)[len(found) :].any()
    for row, pack in enumerate(found):
        for number, record in enumerate(pack[pack >= 0], start=1):
            members = np.flatnonzero(numbers[row] == number)
            members = members[np.argsort(positions[row, members])]
            real = int(records["input_mask"][record].sum())
            assert positions[row, members].tolist() == list(range(real))
            assert ids[row, members].tolist() == records["input_ids"][record, :real].tolist()
            assert segments[row, members].tolist() == records["segment_ids"][record, :real].tolist()
            cls = arrays["cls_rows"][row * 3 + number - 1]
            assert cls == row * 24 + members[0]
            assert (cls == (row + 1) * 24 - number) == (cls_place == "end_of_pack")
            label = records["next_sentence_labels"][record]
            assert arrays["nsp_labels"][row * 3 + number - 1] == label
            used = arrays["mlm_weights"] > 0
            own = used & np.isin(arrays["mlm_rows"], row * 24 + members)
            places = positions.reshape(-1)[arrays["mlm_rows"][own]]
            kept = records["masked_lm_weights"][record] > 0
            assert places.tolist() == records["masked_lm_positions"][record][kept].tolist()
            assert arrays["mlm_labels"][own].tolist() == (
                records["masked_lm_ids"][record][kept].tolist()
            )


def test_predictions_outside_their_sequence_are_refused():
    records = weighted(synthetic.batch(3), "global_step", 3)
    records["masked_lm_positions"][1, 0] = 23
    records["input_mask"][1, 20:] = 0
    with pytest.raises(DataError, match="outside its sequence"):
        fixed_padded(records, 4)
