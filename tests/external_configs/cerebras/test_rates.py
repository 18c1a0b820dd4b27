"""Lists of schedulers as stages, against the rule of their own trainer."""

from __future__ import annotations

import math

import pytest

from bertkit.external_configs.cerebras.rates import schedulers, stages
from bertkit.external_configs.translation import Refuse
from bertkit.train.optimization.schedule import staged


def line(steps, first, last):
    return {
        "scheduler": "Linear",
        "steps": steps,
        "initial_learning_rate": first,
        "end_learning_rate": last,
    }


LISTS = {
    "two lines": [line(100, 0.0, 1e-3), line(1000, 1e-3, 0.0)],
    "three, the second done before it begins": [
        line(100, 0.0, 1e-3),
        line(80, 1e-3, 5e-4),
        line(400, 5e-4, 1e-4),
    ],
    "a constant between": [
        line(10, 0.0, 1e-3),
        {"scheduler": "Constant", "learning_rate": 1e-3, "steps": 50},
        line(200, 1e-3, 0.0),
    ],
    "a constant at the end": [line(10, 0.0, 1e-3), {"scheduler": "Constant", "val": 1e-3}],
}


def theirs(parts, step, overlap):
    """Trainer.get_learning_rate of R_1.7.0: tf.case over polynomial_decay of power 1."""
    total = 0
    for number, part in enumerate(parts):
        begin, total = total, total + part.get("steps", 0)
        if step < total or number == len(parts) - 1:
            if part["scheduler"] == "Constant":
                return part.get("learning_rate", part.get("val"))
            done = min(step - (0 if overlap else begin), part["steps"])
            first, last = part["initial_learning_rate"], part["end_learning_rate"]
            return (first - last) * (1 - done / part["steps"]) + last
    raise AssertionError("no parts")


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("name", LISTS)
def test_every_rate_is_theirs(name, overlap):
    parts = LISTS[name]
    rate = staged(stages(schedulers(parts), overlap), max_steps=600)
    found = [rate(step) for step in range(1200)]
    wanted = [theirs(parts, step, overlap) for step in range(1200)]
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-18)


def test_one_number_or_one_scheduler():
    assert stages(schedulers("1e-5"), False) == ["constant::1e-05"]
    assert stages(schedulers(line(10, 1.0, 0.0)), True) == ["linear:10:1.0:0.0"]


def test_half_a_wave_of_later_releases():
    wave = {"initial_learning_rate": 1e-3, "end_learning_rate": 1e-5, "total_iters": 90}
    rise = {"initial_learning_rate": 0.0, "end_learning_rate": 1e-3, "total_iters": 10}
    value = {"SequentialLR": {"schedulers": [{"LinearLR": rise}, {"CosineDecayLR": wave}]}}
    found = stages(schedulers(value), False)
    assert found == ["linear:10:0.0:0.001", "cosine:90:0.001:1e-05"]
    # CosineDecayScheduler._get_closed_form of cerebras-pytorch 2.10.0
    rate = staged(found, 100)
    for step in range(0, 120, 7):
        part = (math.cos(math.pi / 90 * min(90, step)) + 1) * 0.5
        assert rate(10 + step) == pytest.approx(part * (1e-3 - 1e-5) + 1e-5, rel=1e-12)
    with pytest.raises(Refuse, match="counts from the start of the run"):
        stages(schedulers(value), True)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([{"scheduler": "Cosine"}], "no scheduler 'Cosine'"),
        ([{"scheduler": "Polynomial", "power": 2, "steps": 1}], "no scheduler 'Polynomial'"),
        ([line(10, None, 0.0)], "without its initial_learning_rate"),
        ([{**line(10, 1.0, 0.0), "cycle": True}], "do not start again"),
        ([{**line(10, 1.0, 0.0), "warmup": 3}], "scheduler Linear has no warmup"),
        ([{"SequentialLR": {"schedulers": [], "milestones": [3]}}], "has no milestones"),
        ([{"SequentialLR": None}], "without its settings"),
        ([], "a learning rate must be a number"),
        ([{}], "no scheduler in it"),
        (["Linear"], "'Linear' is no scheduler"),
        (-1.0, "must not be below 0"),
        ("soon", "must be a number"),
        ([line(10.5, 0.0, 1.0)], "steps of a scheduler"),
        ([{"scheduler": "Constant", "val": 1.0}, line(10, 1.0, 0.0)], "only the last"),
    ],
)
def test_what_cannot_be_done_is_refused(value, reason):
    with pytest.raises(Refuse, match=reason):
        stages(schedulers(value), False)
