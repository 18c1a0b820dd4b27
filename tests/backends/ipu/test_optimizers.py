"""The engine's optimizers under bertkit's names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.backends.ipu.options import IpuOptions
from bertkit.errors import ConfigError, StoppedError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.config import UNCORRECTED

from .conftest import TWO
from .copies import distance, trained


@pytest.mark.parametrize(
    "name",
    ["nvlamb", "graphcore", "max_weight_norm", "max_weight_norm_no_debias", "no_debias_clamp10"],
)
def test_every_lamb_is_a_case_of_the_engines(settings, poptorch, tmp_path, name):
    config = settings(
        optimizer=name, max_grad_norm=0.0, eps=1e-3, learning_rate=0.01, eval_every=0, max_steps=2,
        ipu=IpuOptions(),
    )  # fmt: skip
    other = pretrain(replace(config, output=str(tmp_path / "cpu")), registry.get("cpu"))
    result = trained(config)
    assert distance(result.checkpoint, other.checkpoint) < 1e-4
    groups = poptorch.DEVICE.compiled[0].numbers["groups"]
    limits = {group["max_weight_norm"] for group in groups}
    clamp = {"no_debias_clamp10": 10.0}.get(name, 65500.0)
    assert limits == ({clamp} if name == "no_debias_clamp10" else {clamp, 0.0})


@pytest.mark.parametrize("name", ["adamw", UNCORRECTED])
def test_clipping_and_moments_of_adamw(settings, poptorch, tmp_path, name):
    config = settings(optimizer=name, eps=1e-2, learning_rate=0.01, max_grad_norm=0.1, eval_every=0)
    other = pretrain(replace(config, output=str(tmp_path / "cpu")), registry.get("cpu"))
    assert distance(trained(config).checkpoint, other.checkpoint) < 1e-4


def test_the_state_of_another_backend_is_refused(settings, poptorch):
    config = settings(eval_every=0)
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=1), registry.get("cpu"))
    with pytest.raises(ConfigError, match="not written on IPUs"):
        trained(config)


def test_the_loss_scale_is_found_by_the_engine_where_none_is_given(settings, poptorch):
    options = replace(TWO, automatic_loss_scaling=True)
    trained(settings(precision="fp16", ipu=options, max_steps=1))
    training = poptorch.DEVICE.compiled[0]
    assert training.options.Training.values["automatic"] is True
    assert training.numbers["loss_scaling"] == 1.0
