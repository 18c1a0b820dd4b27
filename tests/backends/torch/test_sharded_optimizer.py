"""Optimizer state sharded over two processes against one."""

from __future__ import annotations

import pytest
import torch

from backends.torch.two_processes import SHARDED, batches, make, weights
from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import Topology


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARDED)
def test_a_sharded_optimizer_gives_the_same_bits(ranks, alone, name):
    parts = [rank[f"sharded {name}"] for rank in ranks]
    parameters = parts[0]["whole"]["kept"]
    assert sum(part["sharded"]["kept"] for part in parts) == parameters
    assert min(part["sharded"]["kept"] for part in parts) > 0
    for part in parts:
        assert_same(part["sharded"]["weights"], part["whole"]["weights"])
        assert_same(part["resumed"], part["whole"]["weights"])
    whole, sharded_state = (parts[0][kind]["state"]["optimizer"] for kind in ("whole", "sharded"))
    assert whole.keys() == sharded_state.keys() and len(sharded_state) == parameters
    for weight, states in whole.items():
        assert_same(states, sharded_state[weight])
    assert parts[1]["sharded"]["state"]["optimizer"] == {}
    # One process goes on with what two have left.
    model, _, stepper = make(alone, name, 1e-2)
    model.load_state_dict(parts[0]["sharded"]["half"])
    stepper.load_state({"optimizer": sharded_state})
    stepper.train(batches(Topology(), "global_step")[2], 2)
    distance = {
        key: float((value - parts[0]["whole"]["weights"][key]).abs().max())
        for key, value in weights(model).items()
        if "key.bias" not in key  # its gradient is round-off, which Adam blows up
    }
    assert max(distance.values()) < 1e-5


def test_machines_that_cannot_shard_say_so(alone):
    spec = OptimizerSpec(shard=True)
    assert alone.validate(StepPlan(), spec) == []
    problems = registry.make("ipu").validate(StepPlan(), spec)
    assert any(problem.flag == "--shard-optimizer" for problem in problems)


def assert_same(one, other):
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
