"""Updates by one kernel: the same run as without it, to the bit, and copies that are right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import synthetic
import torch

pytest.importorskip("triton", reason="Triton is only made for Linux")

from train.optimization.gpu_rounding import as_gpus_do, by_formulas, same

from backends.torch.graphs.replaying import ReplayingRecorder
from backends.torch.operators import Operators
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.fused import one_pass_update as module
from bertkit.backends.torch.fused.one_pass_update import OnePassUpdate, one_pass_update
from bertkit.backends.torch.options import CudaOptions
from bertkit.backends.torch.step import TorchStepper
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.step_batch import StepBatch, unpadded, weighted
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization import one_pass
from bertkit.train.optimization.optimizers import make_optimizer, norm_of, not_finite

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=24, max_position_embeddings=24, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip
CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="in Triton's interpreter")


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    as_gpus_do(monkeypatch)
    monkeypatch.setattr(one_pass, "_BLOCK", 512)


class ByFormulas(TorchStepper):
    """Updates as PyTorch takes them on a GPU."""

    def _update(self, optimizer):
        parameters = self._parameters(optimizer)
        copied, given = self.working.parameters, []
        for weight in parameters:
            if weight.grad is not None:
                half = weight in copied and torch.equal(weight.grad.bfloat16(), weight.grad)
                given.append(weight.grad.bfloat16() if half else weight.grad)
        norm = norm_of(given)  # a CPU's sums depend on the type
        most = self.plan.max_grad_norm
        by_formulas(optimizer, not_finite(norm), norm.clamp(min=most) / most if most else None)
        self._forget_gradients(optimizer)
        return norm


def stepper(kind=TorchStepper, nsp=True, clip=1.0):
    torch.manual_seed(1)
    model = BertForPreTraining(SHAPE)
    made = kind(
        model, PretrainingObjective(nsp), StepPlan("bf16", max_grad_norm=clip), CPU,
        make_optimizer(model, OptimizerSpec()), lambda step: 1e-2 / (1 + step),
    )  # fmt: skip
    made.working = WorkingWeights(model)
    if kind is TorchStepper:
        made.one_pass = OnePassUpdate(made.optimizer, made.working)
    return made


def batch(parts=1, seed=4, count=6):
    records = weighted(synthetic.batch(count, seed=seed), "global_step", count)
    cuts = np.array_split(np.arange(count), parts)
    return StepBatch([
        unpadded({name: values[rows] for name, values in records.items()}) for rows in cuts
    ])  # fmt: skip


def overflowing():
    found = batch(seed=9)
    weights = found.micro_batches[0].arrays["mlm_weights"]
    weights[weights > 0] = math.inf
    return found


def numbers(step):
    """Weights, moments and counts of steps."""
    states = [value for state in step.optimizer.state.values() for value in state.values()]
    return [*(value.detach() for value in step.model.parameters()), *states]


@pytest.mark.parametrize(
    ("parts", "clip", "nsp", "recompute"),
    [((1, 1, 1), 0.5, True, False), ((2, 1), 0.0, False, True)],
)
def test_a_run_has_the_bits_of_one_by_pytorchs_kernels(parts, clip, nsp, recompute):
    """Copies are those of the weights, also after a step that is left out."""
    mine, right = stepper(nsp=nsp, clip=clip), stepper(ByFormulas, nsp=nsp, clip=clip)
    for step in (mine, right):
        step.model.bert.encoder.recompute = recompute
    steps = [*(batch(part, seed=part + 4) for part in parts), overflowing(), batch(seed=20)]
    for number, each in enumerate(steps):
        found, exact = (one.read([one.train(each, number)])[0] for one in (mine, right))
        assert found == pytest.approx(exact, rel=0, nan_ok=True)
        assert same(numbers(mine), numbers(right))
        for weight, copy in mine.working.places().items():
            assert torch.equal(copy, weight.bfloat16())
    assert len(mine.optimizer.state) == len(list(mine.model.parameters())) - (0 if nsp else 4)


def test_one_pass_neither_widens_gradients_nor_makes_copies():
    step = stepper()
    counts = []
    for parts in (1, 1, 2):
        with Operators() as seen:
            step.train(batch(parts), 0)
        counts.append(seen.counts["_foreach_copy_"])
    layers = len(step.working._groups)
    # Copies for the first step alone, and the gradients of both passes of the last.
    assert counts[:2] == [layers, 0] and counts[2] >= layers


def test_memory_that_gradients_were_held_in_is_given_back():
    step = stepper()
    step.train(batch(), 0)
    assert not step.working.held
    assert all(weight.grad is None for weight in step.model.parameters())


def test_evaluation_uses_the_weights_of_now():
    step = stepper()
    losses = [step.read([step.evaluate(batch())])[0]["mlm_loss_sum"]]
    for number in range(3):
        step.train(batch(), number)
        losses.append(step.read([step.evaluate(batch())])[0]["mlm_loss_sum"])
        other = stepper(ByFormulas)
        other.model.load_state_dict(step.model.state_dict())
        assert other.read([other.evaluate(batch())])[0]["mlm_loss_sum"] == losses[-1]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("way", ["load_state_dict", "copy_", "another optimizer"])
def test_weights_that_others_change_get_new_copies(way):
    step, other = stepper(), stepper()
    step.train(batch(), 0)
    for number in range(2):
        other.train(batch(seed=8), number)
    if way == "load_state_dict":
        step.model.load_state_dict(other.model.state_dict())
    elif way == "copy_":
        with torch.no_grad():
            for weight, source in zip(
                step.model.parameters(), other.model.parameters(), strict=True
            ):
                weight.copy_(source)
    else:  # which takes a step of the same model, by the same kernel
        working = WorkingWeights(step.model)
        again = OnePassUpdate(make_optimizer(step.model, OptimizerSpec()), working)
        for group in again._steps._optimizer.param_groups:
            group["lr"] = 1e-2
        working.bring_up_to_date()
        for weight in step.model.parameters():
            weight.grad = torch.ones_like(weight)
        again.run(1.0)
    step.evaluate(batch())
    for weight, copy in step.working.places().items():
        assert torch.equal(copy, weight.bfloat16())


def test_a_run_goes_on_from_its_state_without_this_update():
    mine, right = stepper(), stepper(ByFormulas)
    mine.train(batch(), 0)
    state = mine.state()
    right.model.load_state_dict(mine.model.state_dict())
    right.load_state({**state, "optimizer": {
        name: {key: value.clone() for key, value in each.items()}
        for name, each in state["optimizer"].items()
    }})  # fmt: skip
    for step in (mine, right):
        step.train(batch(seed=8), 1)
    assert same(numbers(mine), numbers(right))


def test_a_step_that_fails_leaves_nothing_to_the_next(monkeypatch):
    mine, right = stepper(), stepper(ByFormulas)

    def failing(optimizer):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(mine, "_update", failing)
        mine.train(batch(seed=30), 0)
    assert mine.working.held
    mine._forget_gradients(mine.optimizer)
    for step in (mine, right):
        step.train(batch(2), 0)
    assert same(numbers(mine), numbers(right))


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setattr(module, "gpu_has_kernels", lambda: True)


class OnCpu(CudaAdapter):
    device, pins = "cpu", False

    def recorder(self):
        return ReplayingRecorder()


def built(optimizer="adamw", precision="bf16", world=1, train=True, **options):
    adapter = OnCpu()
    adapter.process_group = ProcessGroup(Topology(world=world))
    model = BertForPreTraining(SHAPE)
    made = adapter.optimizer(model, OptimizerSpec(optimizer)) if train else None
    return adapter.build(
        model, PretrainingObjective(),
        StepPlan(precision, options=CudaOptions(**{"fused": True, **options})), made,
        lambda step: 1e-3,
    )  # fmt: skip


def test_runs_with_fused_layers_have_it(kernels):
    step = built()
    assert isinstance(step.one_pass, OnePassUpdate)
    step.train(batch(), 0)
    step.train(batch(2), 1)
    assert isinstance(built(graphs=True).one_pass, OnePassUpdate)


@pytest.mark.parametrize(
    "run",
    [
        {"fused": False}, {"fused": None}, {"train": False}, {"precision": "fp32"},
        {"precision": "fp16"}, {"optimizer": "nvlamb"}, {"optimizer": "sgd"},
    ],
)  # fmt: skip
def test_other_runs_do_not(kernels, run):
    assert built(**run).one_pass is None


def test_several_processes_and_gpus_without_kernels_do_not(monkeypatch):
    model = BertForPreTraining(SHAPE)
    optimizer, working = make_optimizer(model, OptimizerSpec()), WorkingWeights(model)
    assert one_pass_update(optimizer, working, 1) is None
    monkeypatch.setattr(module, "gpu_has_kernels", lambda: True)
    assert one_pass_update(optimizer, working, 1) is not None
    assert one_pass_update(optimizer, working, 2) is None


def test_a_kernel_that_is_wrong_on_a_gpu_is_left_out(monkeypatch, caplog):
    model = BertForPreTraining(SHAPE)
    optimizer, working = make_optimizer(model, OptimizerSpec()), WorkingWeights(model)
    monkeypatch.setattr(module, "gpu_has_kernels", lambda: True)
    asked = []

    def wrong(device, kind):
        asked.append((device, kind))
        return "a weight is 3 off"

    monkeypatch.setattr("bertkit.train.optimization.update_check.what_is_wrong", wrong)
    assert one_pass_update(optimizer, working, 1) is None
    assert asked == [(CPU, torch.bfloat16)] and "a weight is 3 off" in caplog.text
