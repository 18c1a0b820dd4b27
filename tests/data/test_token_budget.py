"""Constant totals: what is in them, and that they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.record_source import RecordSource
from bertkit.data.step_batch import unpadded, weighted
from bertkit.data.token_budget import Budget, budget_for, budgeted, dealt

TIGHT = [
    Budget(24, tokens=(96, 128), predictions=(60, 60), sequences=50),
    Budget(24, tokens=(200, 400), predictions=(60, 60), sequences=5),
    Budget(24, tokens=(200, 400), predictions=(4, 9), sequences=50),
    Budget(24, tokens=(400,), predictions=(60,), sequences=50),
    Budget(24),
]


@pytest.fixture
def records():
    return weighted(synthetic.batch(40, seed=4), "global_step", 40)


@pytest.mark.parametrize("size", [7, 40])
@pytest.mark.parametrize("budget", TIGHT)
def test_all_rows_are_covered_and_totals_are_those_of_the_budget(records, budget, size):
    shapes = {}
    for batch in budgeted(records, size, budget):
        arrays = batch.arrays
        rows = len(arrays["ids"])
        described = str({name: (v.shape, v.dtype) for name, v in arrays.items()})
        assert shapes.setdefault(rows, described) == described or not budget.tokens
        if budget.tokens:
            which = budget.tokens.index(rows)
            assert which == 0 or (
                batch.tokens > budget.tokens[which - 1]
                or (arrays["mlm_weights"] > 0).sum() > budget.predictions[which - 1]
            ), "not the smallest total that holds it"
            assert len(arrays["mlm_rows"]) == budget.predictions[which]
            assert len(arrays["cls_rows"]) == len(arrays["nsp_weights"]) == budget.sequences
        else:
            assert rows - batch.tokens < 64 and rows % 8 == 0
        assert batch.sequences <= size
        assert arrays["cumulative"].tolist() == [0, *np.cumsum(batch.spans).tolist()]
        assert arrays["cumulative"][-1] == rows, "rows of no sequence are undefined"
        assert batch.spans.min() >= 0 and batch.spans.max() <= budget.length == batch.longest
        for start, end in zip(arrays["cumulative"], arrays["cumulative"][1:], strict=False):
            assert arrays["positions"][start:end].tolist() == list(range(end - start))


@pytest.mark.parametrize("size", [7, 40])
@pytest.mark.parametrize("budget", TIGHT)
def test_every_record_is_there_once(records, budget, size):
    """All sequences with their targets and weights, whatever micro-batch they went to."""

    def cases(batches):
        found = []
        for batch in batches:
            arrays = batch.arrays
            starts = np.cumsum(batch.lengths) - batch.lengths
            for number, (start, length) in enumerate(zip(starts, batch.lengths, strict=True)):
                rows = slice(start, start + length)
                chosen = (arrays["mlm_rows"] >= start) & (arrays["mlm_rows"] < start + length)
                chosen &= arrays["mlm_weights"] > 0
                assert arrays["cls_rows"][number] == start
                found.append((
                    arrays["ids"][rows].tolist(), arrays["segments"][rows].tolist(),
                    (arrays["mlm_rows"][chosen] - start).tolist(),
                    arrays["mlm_labels"][chosen].tolist(), arrays["mlm_weights"][chosen].tolist(),
                    int(arrays["nsp_labels"][number]), float(arrays["nsp_weights"][number]),
                ))  # fmt: skip
        return sorted(found)

    filled = budgeted(records, size, budget)
    assert cases(filled) == cases([unpadded(records)])
    for batch in filled:
        used = batch.sequences
        assert not batch.arrays["nsp_weights"][used:].any()
        assert not batch.arrays["ids"][batch.tokens :].any()
        assert len(batch.arrays["mlm_weights"]) >= (batch.arrays["mlm_weights"] > 0).sum()


def test_parts_have_equal_numbers_of_sequences_and_almost_of_tokens():
    lengths = np.random.default_rng(3).integers(5, 512, 256)
    parts = dealt(lengths, 32)
    assert sorted(np.concatenate(parts).tolist()) == list(range(256))
    assert {len(part) for part in parts} == {8}
    sums = [int(lengths[part].sum()) for part in parts]
    assert max(sums) - min(sums) < 64
    assert [len(part) for part in dealt(lengths[:5], 2)] in ([3, 2], [2, 3])
    assert dealt(lengths, 1)[0].tolist() == list(range(256)), "one part keeps the order"


def wikipedia(count, length, seed=0):
    """Records with lengths like those of Wikipedia: a fifth is full, the rest is short."""
    random = np.random.default_rng(seed)
    lengths = np.minimum(random.lognormal(5.1, 0.6, count), length).astype(int).clip(8)
    lengths[random.random(count) < 0.2] = length
    most = max(1, round(0.15 * length))
    wanted = np.arange(most)[None, :] < np.clip(np.round(0.15 * lengths), 1, most)[:, None]
    return {
        "input_ids": np.ones((count, length), np.int64),
        "input_mask": (np.arange(length)[None, :] < lengths[:, None]).astype(np.int64),
        "segment_ids": np.zeros((count, length), np.int64),
        "masked_lm_positions": np.tile(np.arange(most), (count, 1)) * wanted,
        "masked_lm_ids": np.ones((count, most), np.int64),
        "masked_lm_weights": wanted.astype(np.float32),
        "next_sentence_labels": np.zeros((count, 1), np.int64),
    }


class Source:
    """Records in memory."""

    def __init__(self, records):
        self.records = records
        self.max_seq_length = records["input_ids"].shape[1]
        self.max_predictions_per_seq = records["masked_lm_ids"].shape[1]

    def __len__(self):
        return len(self.records["input_ids"])

    def at_epoch(self, epoch):
        return self

    def batch(self, numbers):
        return {name: values[numbers] for name, values in self.records.items()}


@pytest.mark.parametrize(
    ("length", "step", "micro"), [(512, 64, 64), (512, 256, 8), (512, 256, 64), (128, 256, 32)]
)
@pytest.mark.parametrize(("totals", "waste"), [(0, 1.02), (6, 1.05)])
def test_little_is_computed_on_fill(length, step, micro, totals, waste):
    source = Source(wikipedia(32 * step if step < 256 else 2048, length))
    budget = budget_for(source, step, micro, totals)
    computed = real = room = predicted = parts = 0
    for start in range(0, len(source), step):
        records = weighted(source.batch(np.arange(start, start + step)), "global_step", micro)
        for batch in budgeted(records, micro, budget):
            parts += 1
            computed, real = computed + len(batch.arrays["ids"]), real + batch.tokens
            room += len(batch.arrays["mlm_rows"])
            predicted += int((batch.arrays["mlm_weights"] > 0).sum())
    assert computed / real <= waste
    assert room / predicted <= (1.25 if totals and micro < 32 else waste + 0.06)
    assert parts <= 1.01 * len(source) / micro, "steps need more micro-batches than they should"
    assert len(budget.tokens) <= totals


def test_a_source_smaller_than_its_sample_has_totals(tmp_path):
    source = RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 20))])
    budget = budget_for(source, sequences=8, micro_batch_size=4, totals=4)
    assert budget.tokens[-1] >= source.max_seq_length
    assert all(room >= source.max_predictions_per_seq for room in budget.predictions)
