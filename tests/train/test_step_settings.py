"""From settings to a step plan, an optimizer and learning rates."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bertkit.backends.base import OptimizerSpec, Problem, StepPlan, StepShape
from bertkit.errors import ConfigError
from bertkit.train.config import TrainingConfig
from bertkit.train.step_settings import (
    check_steps,
    learning_rates,
    make_step_plan,
    micro_batch_size,
    optimizer_spec,
    refuse,
)


def test_every_process_has_the_same_work():
    assert micro_batch_size(12, 0, 3) == 4
    assert micro_batch_size(12, 2, 3) == 2
    assert micro_batch_size(1, 0, 1) == 1
    with pytest.raises(ConfigError, match="--micro-batch-size 3 x 3 processes"):
        micro_batch_size(12, 3, 3)
    # A preset's number yields: 8 for each of 3 processes do not go into 4.
    assert micro_batch_size(12, 8, 3, yields=True) == 4
    assert micro_batch_size(12, 3, 3, yields=True) == 2
    with pytest.raises(ConfigError, match="x 5 processes"):
        micro_batch_size(12, 8, 5, yields=True)


def test_every_setting_arrives_in_the_plan():
    config = TrainingConfig(
        precision="bf16", layout="padded", max_grad_norm=0.5, seed=7, clip="before",
        loss_scale=8.0, save_every=11, recompute=True, profile_steps="1:2",
    )  # fmt: skip
    shape = StepShape(micro_batch_size=2, accumulation=3, sequence_length=16)
    plan = make_step_plan(config, shape, None, "options")
    assert plan == StepPlan(
        precision="bf16", layout="padded", max_grad_norm=0.5, seed=7, clip="before",
        loss_scale=8.0, shape=shape, options="options", save_every=11, recompute=True,
        profile=True,
    )  # fmt: skip


def test_every_setting_arrives_in_the_optimizer():
    given = OptimizerSpec("nvlamb", 0.8, 0.9, 1e-5, 0.1, True)
    config = TrainingConfig(
        optimizer="nvlamb", beta1=0.8, beta2=0.9, eps=1e-5, weight_decay=0.1, shard_optimizer=True
    )
    assert optimizer_spec(config) == given
    # Without settings, both sides have the same optimizer.
    assert optimizer_spec(TrainingConfig()) == OptimizerSpec()
    assert len(fields(OptimizerSpec)) == 6


def test_learning_rates_follow_the_schedule_or_the_stages():
    config = TrainingConfig(
        learning_rate=1.0, warmup_steps=2, end_learning_rate=0.2, schedule="polynomial", power=1.0
    )
    rates = learning_rates(config, 10)
    assert [rates(step) for step in (0, 1, 5, 10)] == pytest.approx([0.0, 0.5, 0.6, 0.2])
    staged = learning_rates(TrainingConfig(stage=["constant:4:0.5", "linear::0.5:0"]), 8)
    assert [staged(step) for step in (0, 3, 6, 8)] == pytest.approx([0.5, 0.5, 0.25, 0.0])


def test_settings_that_do_not_fit_the_steps_are_refused():
    check_steps(TrainingConfig(profile_steps="2:3"), 3)
    with pytest.raises(ConfigError, match="--profile-steps"):
        check_steps(TrainingConfig(profile_steps="2:4"), 3)
    with pytest.raises(ConfigError, match="--stage"):
        check_steps(TrainingConfig(stage=["fast:1:2"]), 3)


def test_all_problems_are_told_at_once_and_each_once():
    refuse([])
    with pytest.raises(ConfigError) as caught:
        refuse([Problem("--a", "a is wrong"), "b is wrong", Problem("--a", "a is wrong")])
    assert caught.value.message == "a is wrong; b is wrong"
