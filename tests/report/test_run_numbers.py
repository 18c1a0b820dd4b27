import json

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.report import run_numbers
from bertkit.report.run_numbers import RunNumbers, envelope, read_run, smooth, thinned


def test_the_numbers_of_a_run_are_columns_by_kind():
    entries = [
        {"kind": "train", "step": 1, "loss": 2.0, "note": "x"},
        {"kind": "train", "step": 2, "loss": None},
        {"kind": "eval", "step": 2, "loss": 1.5},
        {"kind": "train", "step": 3, "loss": float("nan"), "more": 1},
        {"kind": "train", "step": 4, "loss": 1.0},
    ]
    found = RunNumbers(iter(entries))
    steps, values = found.column("train", "loss")
    assert steps.tolist() == [1, 4] and values.tolist() == [2.0, 1.0]
    assert found.column("eval", "loss")[1].tolist() == [1.5]
    assert not len(found.column("eval", "more")[0])
    assert found.step == 4 and found.last == {"train": {"loss": 1.0}, "eval": {"loss": 1.5}}
    assert "more" in found.names and found and not RunNumbers([])


@pytest.mark.parametrize(
    ("settings", "numbers", "task"),
    [
        ("task: summarise\n", {"rougeL": 40.0}, "summarise"),
        ("doc_stride: 128\n", {"f1": 50.0, "exact": 40.0}, "squad"),
        ("task: own\n", {"f1": 0.5, "exact_match": 0.4}, "own"),
        (None, {"mlm_accuracy": 0.5}, ""),
    ],
)
def test_what_a_run_learns_is_told_by_its_settings_or_its_scores(tmp_path, settings, numbers, task):
    line = {"kind": "eval", "step": 1, **numbers}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    if settings:
        (tmp_path / "config.yaml").write_text(settings)
    assert read_run(str(tmp_path)).task == task


def plain(values, span):
    """The mean as it is defined, one window after the other."""
    result = []
    for index in range(len(values)):
        reach = min(span, index, len(values) - 1 - index)
        window = values[index - reach : index + reach + 1]
        result.append(sum(window) / len(window))
    return result


def test_the_smooth_curve_is_the_mean_of_the_neighbours():
    random = np.random.default_rng(1)
    for count, span in ((1, 2), (2, 2), (60, 2), (500, 15), (501, 400)):
        values = 1e3 + random.normal(size=count)
        assert np.allclose(smooth(values, span), plain(values.tolist(), span), rtol=1e-13)


def test_a_long_curve_is_drawn_with_few_points_and_keeps_its_extremes(monkeypatch):
    monkeypatch.setattr(run_numbers, "DRAWN", 100)
    steps = np.arange(12_345.0)
    values = np.sin(steps)
    values[777], values[5000] = 9.0, -9.0
    drawn = thinned(steps, values)
    assert len(drawn[0]) <= 101 and drawn[0][-1] == 12_344 and drawn[1][-1] == values[-1]
    pale = envelope(steps, values)
    assert len(pale[0]) == len(pale[1]) <= 102
    assert pale[1].max() == 9.0 and pale[1].min() == -9.0
    assert np.array_equal(envelope(steps[:50], values[:50])[1], values[:50])


@pytest.mark.parametrize(
    "line", ['{"kind": "train", "step": 1, "loss": N}', '{"kind": "a", "step": N}']
)
def test_numbers_too_large_for_floats_are_damage(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(line.replace("N", "1" + "0" * 400) + "\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl:1: damaged: (loss|step) is no number"):
        read_run(str(tmp_path))
