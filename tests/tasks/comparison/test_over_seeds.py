from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.tasks.comparison.over_seeds import summary
from bertkit.tasks.comparison.scored_run import ScoredRun


def scored(scores):
    return [
        (ScoredRun(folder=str(n), task="t", metric="f1", scores={}, eval_file="", seed=n), score)
        for n, score in enumerate(scores)
    ]


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9))
@settings(max_examples=30, deadline=None)
def test_equal_to_numpy(scores):
    found = summary(scored(scores), "f1")
    assert found.mean == pytest.approx(np.mean(scores), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(scores, ddof=1), abs=1e-9)
    assert found.median == pytest.approx(np.median(scores), abs=1e-9)
    assert (found.best, found.worst, found.n) == (max(scores), min(scores), len(scores))


def test_one_seed_has_no_deviation():
    found = summary(scored([3.0]), "f1")
    assert (found.deviation, found.mean, found.seeds) == (None, 3.0, [0])


def test_the_best_loss_is_the_lowest():
    assert summary(scored([3.0, 1.0]), "loss").best == 1.0
