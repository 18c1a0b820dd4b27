"""Two processes against one, step by step: exchanges, clipping, sharded optimizer state."""

from __future__ import annotations

import math

import pytest
import torch

from backends.torch import two_processes
from backends.torch.two_processes import CLIP, RATE, STEPS, batches, make, weights
from bertkit.backends.process_group import Topology

# Two real processes: the slow suite.
pytestmark = pytest.mark.slow


def furthest(one, other):
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("clip", ["before", "after"])
@pytest.mark.parametrize("scaled", [True, False, "graphs"])
def test_where_one_process_overflows_all_leave_the_step_out(ranks, clip, scaled):
    """With fp16's loss scale, without and as recorded, clipped before and after the exchange."""
    first, second = (rank[f"overflow {clip} {scaled}"] for rank in ranks)
    for name, value in first["weights"].items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, second["weights"][name]), "the processes have drifted apart"
    for found in (first, second):
        assert [step["changed"] for step in found["steps"]] == [True, False, True]
        assert [math.isfinite(step["norm"]) for step in found["steps"]] == [True, False, True]
        assert found["scale"] == (2.0**9 if scaled is True else None)
    norms = [[step["norm"] for step in found["steps"]] for found in (first, second)]
    assert norms[0][::2] == norms[1][::2], "the norm is one number of all processes"


def test_a_step_left_out_is_so_with_a_sharded_optimizer_too(ranks):
    found = [rank["overflow sharded"] for rank in ranks]
    for own in found:
        assert [step["changed"] for step in own["steps"]] == [True, False, True]
        assert own["scale"] == 2.0**9
    for name, value in found[0]["weights"].items():
        assert torch.equal(value, found[1]["weights"][name]) and value.isfinite().all()


def test_a_loss_that_is_no_number_leaves_the_step_out_everywhere(ranks):
    """Although all gradients are finite, and the other process's loss is."""
    for rank in ranks:
        assert rank["loss is none"]["changes"] == [True, False, True]
    first, second = (rank["loss is none"]["weights"] for rank in ranks)
    assert all(torch.equal(first[name], second[name]) for name in first)


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


@pytest.mark.parametrize("clip", ["before", "after"])
@pytest.mark.parametrize("normalisation", ["global_step", "micro_batch"])
def test_steps_that_are_recorded_exchange_the_same_gradients(ranks, clip, normalisation):
    first, second = (rank[f"graphs {clip} {normalisation}"] for rank in ranks)
    assert [first[name]["kind"] for name in first] == ["TorchStepper", "GraphedStepper"]
    for found in (first, second):
        assert found["graphs"]["norms"] == pytest.approx(found["plain"]["norms"], rel=1e-4)
        assert furthest(found["graphs"]["weights"], found["plain"]["weights"]) < 1e-5
    for name, value in first["graphs"]["weights"].items():
        assert torch.equal(value, second["graphs"]["weights"][name]), name


def test_steps_that_are_recorded_begin_with_the_main_processs_weights(ranks):
    first, second = (rank["graphs begin"] for rank in ranks)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
