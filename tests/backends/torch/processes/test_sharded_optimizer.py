"""Optimizer state sharded over two processes against one."""

from __future__ import annotations

import pytest
import torch
from torch import distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from backends.torch.two_processes import SHAPE, SHARDED, batches, make, weights
from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes.sharded_optimizer import shard_optimizer
from bertkit.model.heads import BertForPreTraining


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


@pytest.fixture
def third_of_four():
    """A group in which this process is the third of four; the others are not there."""
    dist.init_process_group("fake", store=FakeStore(), rank=2, world_size=4)
    yield
    dist.destroy_process_group()


def test_neighbours_go_to_one_process_and_lie_in_one_buffer(third_of_four):
    """So that they travel together, each way; the numbers stay."""
    model = BertForPreTraining(SHAPE)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = shard_optimizer(model, OptimizerSpec())
    owners = [optimizer.owners[item] for item in model.parameters()]
    assert owners == sorted(owners) and set(owners) == {0, 1, 2, 3}
    own = [item for item, owner in zip(model.parameters(), owners, strict=True) if owner == 2]
    kept = [item for group in optimizer.optim.param_groups for item in group["params"]]
    assert {id(item) for item in kept} == {id(item) for item in own}
    assert {group["weight_decay"] for group in optimizer.optim.param_groups} == {0.0, 0.01}
    places = {item.untyped_storage().data_ptr() for item in model.parameters()}
    assert len(places) == 4, "one for each process"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_machines_that_cannot_shard_say_so(alone):
    spec = OptimizerSpec(shard=True)
    assert alone.validate(StepPlan(), spec) == []
    problems = registry.make("ipu").validate(StepPlan(), spec)
    assert any(problem.flag == "--shard-optimizer" for problem in problems)


def assert_same(one, other):
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
