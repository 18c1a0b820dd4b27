"""Two processes against one, step by step: exchanges, clipping, sharded optimizer state."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backends.torch import two_processes
from backends.torch.two_processes import CLIP, RATE, SHARDED, STEPS, batches, make, weights
from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import Topology

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    common = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, HERE.parents[1:3])),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "two_processes.py"), str(folder)],
            stderr=subprocess.PIPE, text=True,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    ends = [process.communicate(timeout=500)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    return [torch.load(folder / f"rank-{rank}.pt") for rank in range(2)]


@pytest.fixture
def alone():
    """An adapter of the only process."""
    return registry.get("cpu")


def assert_same(one, other):
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def furthest(one, other):
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("normalisation", ["global_step", "micro_batch"])
def test_processes_and_accumulation_change_nothing(ranks, alone, normalisation):
    """Sixteen sequences a step: two processes, four micro-batches, or both, against SGD."""
    single = two_processes.plain(alone, normalisation)["weights"]
    for rank in ranks:
        assert furthest(rank[f"plain {normalisation}"]["weights"], single) < 1e-6
    start = weights(make(alone, "sgd")[0])
    assert furthest(start, single) > 1e-2
    if normalisation == "global_step":
        model, _, stepper = make(alone, "sgd", max_grad_norm=0.0)
        for step, batch in enumerate(batches(Topology(), normalisation, micro_batch_size=16)):
            assert len(batch.micro_batches) == 1
            stepper.train(batch, step)
        assert furthest(weights(model), single) < 1e-6


def test_gradients_are_exchanged_once_per_step(ranks):
    for rank in ranks:
        assert rank["plain global_step"]["exchanges"] == STEPS


def test_clipping_before_the_exchange_is_mlperfs(ranks, alone):
    """The mean of every process's own gradient, each scaled to the norm."""
    found = []
    for rank in range(2):
        own = Topology(world=2, rank=rank)
        model, _, stepper = make(alone, "sgd", rate=1.0, max_grad_norm=0.0)
        before = weights(model)
        # The parts of the loss of one process are halves of its own mean.
        stepper.train(batches(own, "micro_batch")[0], 0)
        after = weights(model)
        gradient = {name: 2 * (before[name] - after[name]) for name in before}
        norm = torch.stack([value.double().norm() for value in gradient.values()]).norm()
        assert norm > CLIP
        found.append({name: value * (CLIP / norm) for name, value in gradient.items()})
    expected = {name: before[name] - RATE * (found[0][name] + found[1][name]) / 2
                for name in before}  # fmt: skip
    for rank in ranks:
        assert furthest(rank["clip before"], expected) < 1e-6
        assert furthest(rank["clip after"], expected) > 1e-5


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
