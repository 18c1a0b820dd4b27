"""Which scores are shares, and what brings them to percent."""

from __future__ import annotations

import pytest

from bertkit.tasks.comparison.units import (
    is_measured_share,
    is_share,
    scores_in_percent,
    smaller_is_better,
    to_percent,
)


def test_only_the_end_of_a_name_tells_what_it_is():
    """Types of entities are called as data sets like: `country` has `count` in it."""
    scores = {"country_f1": 0.5, "discount_recall": 0.25, "maestro_f1": 0.5, "mse": 2.0}
    assert scores_in_percent("tag", scores) == {
        "country_f1": 50.0, "discount_recall": 25.0, "maestro_f1": 50.0, "mse": 2.0,
    }  # fmt: skip
    assert is_share("matthews") and not is_share("dev/loss") and not is_share("eval_perplexity")
    assert not is_share("HasAns_total") and not is_share("best_exact_thresh")
    assert smaller_is_better("rmse") and not smaller_is_better("maestro_f1")


def test_what_is_no_number_is_no_score():
    assert scores_in_percent("tag", {"f1": None, "b": True, "c": float("nan"), "d": "x"}) == {}
    assert scores_in_percent("tag", {"f1": 10**400}) == {}


@pytest.mark.parametrize(
    ("number", "task", "factor"),
    [("f1", "tag", 100), ("f1", "squad", 1), ("span_accuracy", "squad", 100),
     ("rougeLsum", "summarise", 1), ("sentence_accuracy", "summarise", 100), ("f1", "", 100)],
)  # fmt: skip
def test_some_tasks_write_their_scores_in_percent(number, task, factor):
    assert to_percent(number, task) == factor


def test_numbers_of_a_log_line_that_are_shares():
    shares = ["mlm_accuracy", "accuracy", "person_f1", "f1_macro", "dev/matthews", "lead_rougeL"]
    others = ["loss", "grad_norm", "learning_rate", "tokens_per_second", "peak_share", "mse", "f12"]
    assert all(map(is_measured_share, shares)) and not any(map(is_measured_share, others))
