from __future__ import annotations

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from bertkit.errors import ConfigError
from bertkit.train.optimization.schedule import make_schedule, staged


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("linear", get_linear_schedule_with_warmup),
        ("cosine", get_cosine_schedule_with_warmup),
    ],
)
@pytest.mark.parametrize("warmup", [5, 0])
def test_the_schedules_of_hugging_face(name, made, warmup):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=3e-4)
    theirs = made(optimizer, warmup, 23)
    ours = make_schedule(name, learning_rate=3e-4, max_steps=23, warmup_steps=warmup)
    for step in range(24):
        rate = optimizer.param_groups[0]["lr"]
        assert ours(step) == pytest.approx(rate, rel=1e-12, abs=1e-18), step
        optimizer.step()
        theirs.step()


def test_polynomial_is_googles():
    """optimization.py of Google's BERT: decay from step 0, replaced by the rise at first."""
    rate = make_schedule("polynomial", learning_rate=1e-4, max_steps=100, warmup_steps=10)
    assert rate(0) == 0
    assert rate(9) == pytest.approx(0.9e-4)
    assert rate(10) == pytest.approx(0.9e-4)
    assert rate(60) == pytest.approx(0.4e-4)
    assert rate(100) == rate(150) == 0


def test_root_decay_and_an_end_above_zero():
    rate = make_schedule(
        "polynomial", learning_rate=6e-3, max_steps=100, power=0.5, end_learning_rate=1e-3
    )
    assert rate(0) == pytest.approx(6e-3)
    assert rate(75) == pytest.approx(1e-3 + 5e-3 * 0.5)
    assert rate(100) == pytest.approx(1e-3)


def test_the_base_phases_are_one_straight_line():
    first = make_schedule(
        "polynomial", learning_rate=1e-4, end_learning_rate=1e-5, max_steps=900_000,
        warmup_steps=10_000,
    )  # fmt: skip
    second = make_schedule("polynomial", learning_rate=1e-5, max_steps=100_000)
    for step in (10_000, 450_000, 899_999):
        assert first(step) == pytest.approx(1e-4 * (1 - step / 1_000_000))
    for step in (0, 50_000):
        assert second(step) == pytest.approx(1e-4 * (1 - (900_000 + step) / 1_000_000))


def test_negative_start_of_the_warmup():
    """MLPerf's large-batch run enters its rise in the middle."""
    rate = make_schedule(
        "polynomial", learning_rate=1.0, max_steps=600, warmup_steps=287, start_warmup_step=-76
    )
    assert rate(0) == pytest.approx(76 / 287)
    assert rate(210) == pytest.approx(286 / 287)
    assert rate(211) == pytest.approx(1 - 211 / 600)


def test_constant_after_the_rise():
    rate = make_schedule("constant", learning_rate=2.0, max_steps=10, warmup_steps=4)
    assert [rate(step) for step in (0, 1, 4, 9, 99)] == [0, 0.5, 2, 2, 2]


def test_unknown_name():
    with pytest.raises(ValueError, match="inverse"):
        make_schedule("inverse", learning_rate=1, max_steps=1)


def test_a_wave_that_ends_above_zero():
    """Keras' CosineDecay with an alpha of 0.1; after its end the rate stays."""
    rate = make_schedule("cosine", learning_rate=1e-3, max_steps=100, end_learning_rate=1e-4)
    assert [rate(step) for step in (0, 50, 100, 150)] == pytest.approx([1e-3, 5.5e-4, 1e-4, 1e-4])
    stage = staged(["linear:10:0:1e-3", "cosine:100:1e-3:1e-4", "constant::1e-4"], 200)
    for step in range(100):
        assert stage(10 + step) == rate(step)


@pytest.mark.parametrize(
    ("steps", "warmup", "peak"),
    [(7059, 1976, 0.006), (2098, 270, 0.002828), (45, 12, 0.006), (4, 2, 0.1), (60, 30, 3e-8)],
)
def test_up_down_is_graphcores(steps, warmup, peak):
    """LearningRateWarmupAndDecay of their TensorFlow 2 BERT, v2.4.0 to v3.4.1."""

    def theirs(step):
        if step <= warmup:
            rate = step / warmup * peak
        else:
            rate = peak * ((steps - step - 1) / (steps - warmup))
        return max(1e-7, rate)

    rate = make_schedule("up_down", learning_rate=peak, max_steps=steps, warmup_steps=warmup)
    found = [rate(step) for step in range(steps + 5)]
    assert found == pytest.approx([theirs(step) for step in range(steps + 5)], rel=1e-12)


def test_up_down_without_a_rise():
    rate = make_schedule("up_down", learning_rate=1e-3, max_steps=4)
    assert [rate(step) for step in range(5)] == pytest.approx([1e-3, 5e-4, 2.5e-4, 1e-7, 1e-7])


def test_stages_follow_each_other_as_torchs_schedulers_do():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    parts = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 0.25, 1.0, 8),
        torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0, 4),
        torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, 10),
    ]
    theirs = torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [8, 12])
    ours = staged(["linear:8:0.25:1", "constant:4:1", "linear:10:1:0.5"], 22)
    for step in range(30):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), step
        optimizer.step()
        theirs.step()


def test_the_last_stage_fills_up_the_run():
    rate = staged(["linear:10:0:1e-4", "exponential::1e-4:1e-6"], 110)
    assert rate(60) == pytest.approx(1e-5)
    assert rate(110) == rate(500) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["linear:10:0"], "not KIND"),
        (["wave:10:0:1"], "kinds: constant"),
        (["linear:ten:0:1"], "not KIND"),
        (["linear::0:1", "constant:5:1"], "only the last stage"),
        (["exponential:5:0:1"], "above 0"),
    ],
)
def test_stages_of_another_form_are_refused(texts, match):
    with pytest.raises(ConfigError, match=match):
        staged(texts, 10)
