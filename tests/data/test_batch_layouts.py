"""How the records of a step become micro-batches, layout by layout."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.batch_layouts import Layout, bucket_boundaries, bucketed
from bertkit.data.step_batch import weighted
from bertkit.data.token_budget import Budget


@pytest.fixture
def records():
    return weighted(synthetic.batch(22, seed=3), "global_step", 22)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("name", ["padded", "bucketed", "packed", "unpadded", "totals"])
def test_no_number_names_a_row_that_no_table_has(records, name, fixed):
    """Whatever stands on padding, which readers of records leave alone: kernels for GPUs that
    look rows up do not ask whether there are such."""
    padding = records["input_mask"] == 0
    records["input_ids"][padding], records["segment_ids"][padding] = -100, 7
    budget = Budget(24, tokens=(400, 600), predictions=(99, 99), sequences=22)
    unpadded = name in ("unpadded", "totals")
    layout = Layout(
        "unpadded" if unpadded else name, 22 if unpadded else 4, fixed, stretches=True,
        budget=budget if name == "totals" else None,
    )  # fmt: skip
    assert padding.any()
    for batch in layout.micro_batches(records):
        for table, rows in (("ids", synthetic.VOCAB), ("positions", 24), ("segments", 2)):
            numbers = batch.arrays[table]
            assert numbers.min() >= 0 and numbers.max() < rows, table


def test_boundaries_ascend_to_the_length_of_the_records():
    assert bucket_boundaries((), 128) == (32, 64, 96, 128)
    assert bucket_boundaries((100, 20, 20, 128, 500), 128) == (20, 100, 128)
    assert bucket_boundaries((500,), 128) == (128,)


def test_buckets_keep_the_order_inside_and_cut_padding_only(records):
    lengths = records["input_mask"].sum(axis=1)
    parts = bucketed(records, (14, 20))
    found = [part["input_ids"].shape[1] for part in parts]
    assert found == [14, 20, 24]
    chosen = [
        np.flatnonzero(lengths <= 14),
        np.flatnonzero((lengths > 14) & (lengths <= 20)),
        np.flatnonzero(lengths > 20),
    ]
    for part, rows, size in zip(parts, chosen, found, strict=True):
        assert np.array_equal(part["input_ids"], records["input_ids"][rows, :size])
        assert np.array_equal(part["masked_lm_ids"], records["masked_lm_ids"][rows])
        assert not records["input_ids"][rows, size:].any()


def test_a_bucket_without_sequences_makes_no_batch(records):
    assert [part["input_ids"].shape[1] for part in bucketed(records, (3,))] == [24]


@pytest.mark.parametrize("name", ["padded", "bucketed", "packed"])
def test_machines_that_take_any_shape_get_no_fill(records, name):
    batches = Layout(name, 4).micro_batches(records)
    assert sum(batch.sequences for batch in batches) == 22
    for batch in batches:
        assert (batch.arrays["mlm_weights"] > 0).all()
        assert len(batch.arrays["cls_rows"]) == batch.sequences
    predicted = sum(len(batch.arrays["mlm_rows"]) for batch in batches)
    assert predicted == (records["masked_lm_weights"] > 0).sum()


def test_packed_rows_become_stretches_with_their_padding_as_one(records):
    for name in ("input_ids", "input_mask", "segment_ids"):
        records[name][::2, 7:] = 0
    late = records["masked_lm_positions"][::2] >= 7
    records["masked_lm_weights"][::2][late] = 0
    for batch in Layout("packed", 4, sequences_per_pack=3).micro_batches(records):
        spans = batch.spans.reshape(-1, 4)
        assert (spans.sum(axis=1) == 24).all()
        assert sorted(spans[:, :3][spans[:, :3] > 0]) == sorted(batch.lengths)
        assert batch.arrays["cumulative"].tolist() == [0, *np.cumsum(batch.spans)]
        assert "sequence_numbers" not in batch.arrays
        for start, length in zip(batch.arrays["cumulative"], batch.spans, strict=False):
            expected = range(length) if start in batch.arrays["cls_rows"] else [0] * length
            assert batch.arrays["positions"][start : start + length].tolist() == list(expected)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("name", ["padded", "bucketed", "packed"])
def test_stretches_cover_all_rows_and_take_the_place_of_masks(records, name, fixed):
    layout = Layout(name, 4, fixed, boundaries=(14,), stretches=True)
    masked = Layout(name, 4, fixed, boundaries=(14,)).micro_batches(records)
    for batch, plain in zip(layout.micro_batches(records), masked, strict=True):
        assert "mask" not in batch.arrays and "sequence_numbers" not in batch.arrays
        cumulative = batch.arrays["cumulative"]
        assert cumulative.tolist() == [0, *np.cumsum(batch.spans)]
        assert cumulative[-1] == len(batch.arrays["ids"]) and batch.spans.max() <= batch.longest
        rows = batch.arrays["cls_rows"][batch.arrays["nsp_weights"] > 0]
        assert sorted(max(n for c, n in zip(cumulative, batch.spans, strict=False) if c == row)
                      for row in rows) == sorted(batch.lengths)  # fmt: skip
        for key in ("ids", "positions", "mlm_rows", "mlm_weights"):
            assert np.array_equal(batch.arrays[key], plain.arrays[key])
    if fixed and name != "bucketed":
        assert len({len(batch.spans) for batch in layout.micro_batches(records)}) == 1


def test_the_unpadded_layout_takes_a_budget(records):
    budget = Budget(24, tokens=(120,), predictions=(30,), sequences=8)
    batches = Layout("unpadded", 4, budget=budget).micro_batches(records)
    assert {len(batch.arrays["ids"]) for batch in batches} == {120}
    plain = Layout("unpadded", 4).micro_batches(records)
    assert [batch.sequences for batch in plain] == [4, 4, 4, 4, 4, 2]


def test_evaluation_lays_out_more_records_where_fill_would_cost():
    assert Layout("padded", 4, fixed=True).records_per_micro_batch == 4
    assert Layout("packed", 4, fixed=True).records_per_micro_batch == 12
    assert Layout("packed", 4).records_per_micro_batch == 4
    assert Layout("bucketed", 4, fixed=True, boundaries=(8,)).records_per_micro_batch == 8
