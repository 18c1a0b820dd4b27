"""Constant totals: what is in them, and that they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.record_source import RecordSource
from bertkit.data.step_batch import unpadded, weighted
from bertkit.data.token_budget import Budget, budget_for, budgeted

TIGHT = [
    Budget(tokens=128, sequences=50, predictions=60, length=24),
    Budget(tokens=400, sequences=5, predictions=60, length=24),
    Budget(tokens=400, sequences=50, predictions=9, length=24),
    Budget(tokens=400, sequences=50, predictions=60, length=24),
]


@pytest.fixture
def records():
    return weighted(synthetic.batch(40, seed=4), "global_step", 40)


@pytest.mark.parametrize("budget", TIGHT)
def test_totals_are_constant_and_cover_all_rows(records, budget):
    found = budgeted(records, budget)
    assert len(found) > 1 or budget is TIGHT[-1]
    shapes = {str({k: (v.shape, v.dtype) for k, v in batch.arrays.items()}) for batch in found}
    assert len(shapes) == 1
    for batch in found:
        arrays = batch.arrays
        assert len(arrays["ids"]) == budget.tokens
        assert len(arrays["mlm_rows"]) == budget.predictions
        assert len(arrays["cls_rows"]) == len(arrays["nsp_weights"]) == budget.sequences
        assert arrays["cumulative"].tolist() == [0, *np.cumsum(batch.spans).tolist()]
        assert arrays["cumulative"][-1] == budget.tokens, "rows of no sequence are undefined"
        assert batch.spans.min() >= 0 and batch.spans.max() <= budget.length == batch.longest
        for start, end in zip(arrays["cumulative"], arrays["cumulative"][1:], strict=False):
            assert arrays["positions"][start:end].tolist() == list(range(end - start))


@pytest.mark.parametrize("budget", TIGHT)
def test_sequences_are_those_of_the_records_in_their_order(records, budget):
    done = 0
    for batch in budgeted(records, budget):
        part = {name: v[done : done + batch.sequences] for name, v in records.items()}
        done += batch.sequences
        plain = unpadded(part)
        assert batch.lengths.tolist() == plain.lengths.tolist()
        for name, values in plain.arrays.items():
            if name == "cumulative":
                continue
            assert np.array_equal(batch.arrays[name][: len(values)], values), name
            if name != "positions":
                assert not batch.arrays[name][len(values) :].any(), name
    assert done == 40


def test_the_derived_budget_holds_steps_in_their_usual_number_of_parts(tmp_path):
    source = RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 400))])
    budget = budget_for(source, sequences=64, micro_batch_size=16)
    counts, tokens = [], 0
    for start in range(0, 384, 64):
        records = source.batch(np.arange(start, start + 64))
        tokens += int(records["input_mask"].sum())
        counts.append(len(budgeted(weighted(records, "global_step", 16), budget)))
    assert counts.count(4) >= 5
    assert budget.tokens < 16 * 24, "no better than padding"
    assert tokens / (sum(counts) * budget.tokens) > 0.8
