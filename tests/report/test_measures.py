"""Names, texts and order of numbers."""

from __future__ import annotations

import pytest

from bertkit.report.measures import (
    heading_of,
    in_order,
    name_of,
    prediction_of,
    scores_as_text,
    text_of,
    unit_of,
)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("loss", "loss"),
        ("accuracy", "accuracy"),
        ("mlm_accuracy", "masked LM accuracy"),
        ("f1_macro", "F1, mean over labels"),
        ("corporation_precision", "corporation precision"),
        ("work_of_art_f1", "work_of_art F1"),
        ("dev_mismatched/f1_macro", "dev_mismatched/F1, mean over labels"),
        ("HasAns_exact", "HasAns exact match"),
        ("best_f1_thresh", "best f1 thresh"),
    ],
)
def test_names_for_people(number, name):
    assert name_of(number) == name


def test_what_a_loss_is_of():
    assert prediction_of("mlm_loss") == "masked LM" and prediction_of("grad_norm") == ""


def test_texts_have_the_digits_that_are_compared():
    assert text_of("learning_rate", 1.234e-5) == "1.23e-05"
    assert text_of("tokens_per_second", 12345.6) == "12,346"
    assert text_of("accuracy", None) == text_of("accuracy", float("nan")) == "-"


def test_scores_are_percent_and_say_so_whatever_the_run_wrote():
    assert heading_of("f1") == "F1 (%)" and heading_of("loss") == "loss"
    assert unit_of("f1") == unit_of("mlm_accuracy") == "percent" and unit_of("loss") == "nats"
    assert text_of("f1", 0.5) == text_of("f1", 0.5, "tag") == text_of("f1", 50.0, "squad")
    assert text_of("f1", 0.5) == "50.00" and text_of("span_accuracy", 0.5, "squad") == "50.00"
    assert text_of("loss", 0.5) == "0.5000" and text_of("HasAns_total", 5928.0) == "5,928"


def test_scores_say_their_unit_whichever_task_wrote_them():
    shares = {"f1": 0.5, "dev_2/mse": 0.25, "matthews": float("nan"), "file": "x"}
    assert scores_as_text("classify", shares) == {
        "F1 (%)": "50.00", "dev_2/mse": "0.2500", "Matthews correlation (%)": "-",
    }  # fmt: skip
    official = {"exact": 40.0, "HasAns_total": 5928, "best_f1_thresh": -1.5}
    assert scores_as_text("squad", official) == {
        "exact match (%)": "40.00", "HasAns total": "5,928", "best f1 thresh": "-1.5000",
    }  # fmt: skip
    assert scores_as_text("summarise", {"rouge1": 55.5}) == {"rouge1 (%)": "55.50"}


def test_the_loss_comes_first_and_speed_last():
    numbers = ["tokens_per_second", "accuracy", "mlm_loss", "matthews", "loss"]
    assert in_order(numbers) == ["loss", "mlm_loss", "accuracy", "matthews", "tokens_per_second"]
