"""Gaudi's fused optimizers and their state."""

from __future__ import annotations

import pytest
import torch

from backends.hpu import gaudi
from bertkit.backends.hpu.options import HpuOptions
from bertkit.errors import ConfigError


@pytest.mark.parametrize("optimizer", ["adamw", "nvlamb"])
def test_a_run_of_the_cpu_goes_on_here(path, optimizer):
    """The state has the same form on all machines."""
    settings = {"optimizer": optimizer, "eps": 1e-12, "clip": 0.0}
    half, whole = gaudi.on_the_cpu(path, steps=2, **settings), gaudi.on_the_cpu(path, **settings)
    model = gaudi.fresh_model(seed=99)
    model.load_state_dict(half.weights)
    with gaudi.machine():
        rest = gaudi.run(
            path, **settings, steps=2, first=2, model=model, state=half.state,
            options=HpuOptions(mode="eager"),
        )  # fmt: skip
    assert rest.losses == pytest.approx(whole.losses[2:], rel=1e-4)
    assert rest.state["optimizer"].keys() == whole.state["optimizer"].keys()
    for name, own in rest.state["optimizer"].items():
        assert own.keys() == whole.state["optimizer"][name].keys()
        assert float(own["step"]) == 4


def test_the_state_of_another_model_is_refused(path, stand_in):
    state = {"optimizer": {"other": {"step": torch.tensor(1.0)}}}
    with pytest.raises(ConfigError, match="belongs to another model"):
        gaudi.run(path, "nvlamb", state=state, options=HpuOptions(mode="eager"))
