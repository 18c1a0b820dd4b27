"""Runs of the hpu adapter on the stand-in, and what they show."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import synthetic
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.hpu.adapter import HpuAdapter
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective

FAKES = Path(__file__).parents[1] / "fakes"
_VARIABLES = (
    "PT_HPU_LAZY_MODE", "PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST", "PT_HPU_AUTOCAST_FP32_OPS_LIST",
    "WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "HLS_MODULE_ID", "ID",
)  # fmt: skip
SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=32, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip
RECORDS, GLOBAL, MICRO, STEPS = 22, 8, 4, 4


@contextlib.contextmanager
def machine():
    """The stand-in can be imported, and afterwards it never was."""
    before = {name: os.environ.pop(name, None) for name in _VARIABLES}
    sys.path.insert(0, str(FAKES))
    try:
        yield
    finally:
        engine = sys.modules.get("habana_frameworks.torch._engine")
        if engine:
            engine.close_device()
        for name in [name for name in sys.modules if name.split(".")[0] == "habana_frameworks"]:
            del sys.modules[name]
        sys.path.remove(str(FAKES))
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def engine():
    """The stand-in's own module, with its log and counters."""
    return importlib.import_module("habana_frameworks.torch._engine")


class Watched(PretrainingObjective):
    """Notes for every forward pass whether bf16 was on."""

    def __init__(self, nsp: bool = True) -> None:
        super().__init__(nsp)
        object.__setattr__(self, "autocast", [])

    def losses(self, model, tensors, batch):
        self.autocast.append(
            torch.is_autocast_enabled("hpu") and torch.get_autocast_dtype("hpu") is torch.bfloat16
        )
        return super().losses(model, tensors, batch)


@dataclass
class Seen:
    """What a run showed, step by step; `measured` batch by batch of each evaluation."""

    compiled: list[int] = field(default_factory=list)
    measured: list[list[int]] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    graphs: list[int] = field(default_factory=list)
    autocast: list[bool] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    evaluation: dict[str, float] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    state: dict = field(default_factory=dict)


def fresh_model(seed: int = 3) -> BertForPreTraining:
    torch.manual_seed(seed)
    return BertForPreTraining(SHAPE)


def feed_of(path, layout: str = "padded", fixed: bool = True, order: bool = True) -> RecordFeed:
    source = RecordSource([str(path)])
    batch = GLOBAL if order else MICRO
    return RecordFeed(
        source, SampleOrder(len(source), 7, shuffle=order), batch, MICRO, layout, "global_step",
        synthetic.VOCAB, fixed=fixed,
    )  # fmt: skip


def plan_of(options: HpuOptions, precision="fp32", layout="padded", clip=1.0) -> StepPlan:
    shape = StepShape(MICRO, GLOBAL // MICRO, 24, 4)
    return StepPlan(
        precision, layout, max_grad_norm=clip, shape=shape, model=SHAPE, options=options
    )


def rate(step: int) -> float:
    """Another one at every step, so that a rate inside a program shows."""
    return 0.1 / (step + 1)


def run(
    path, optimizer="sgd", options=None, precision="fp32", layout="padded", clip=1.0, steps=STEPS,
    adapter=None, state=None, model=None, first=0, decay=0.01, eps=1e-6, nsp=True, watched=True,
) -> Seen:  # fmt: skip
    """Train some steps (an epoch ends in the third), log every second one, save and evaluate.

    Returns:
        What the log and the counters of the stand-in showed meanwhile.
    """
    options = options or HpuOptions()
    adapter = adapter or HpuAdapter()
    adapter.start(options)
    log, counter, programs = engine().LOG, engine().counter, engine().programs
    placed = adapter.place(model or fresh_model())
    made = adapter.optimizer(placed, OptimizerSpec(optimizer, eps=eps, weight_decay=decay))
    task = Watched(nsp) if watched else PretrainingObjective(nsp)
    plan = plan_of(options, precision, layout, clip)
    stepper = adapter.build(placed, task, plan, made, rate)
    if state:
        stepper.load_state(state)
    seen, pending = Seen(), []
    fixed = adapter.caps.fixed_shapes
    evaluation = feed_of(path, layout, fixed, order=False)
    for number, batch in enumerate(feed_of(path, layout).steps(first * GLOBAL, steps), first):
        log.clear()
        syncs = counter("aten::_local_scalar_dense")
        pending.append(stepper.train(batch, number))
        seen.marks.append(log.marks)
        seen.syncs.append(counter("aten::_local_scalar_dense") - syncs + log.copies_to_host)
        if number % 2:
            for numbers in stepper.read(pending):
                seen.losses.append(numbers["loss"])
                seen.norms.append(numbers["grad_norm"])
            pending.clear()
            tickets, seen_now = [], []
            seen.measured.append(seen_now)
            for part in evaluation.once():
                tickets.append(stepper.evaluate(part))
                seen_now.append(programs())
            for numbers in stepper.read(tickets):
                for name, value in numbers.items():
                    seen.evaluation[name] = seen.evaluation.get(name, 0.0) + value
            stepper.at_checkpoint(lambda: seen.weights.update(adapter.weights(placed)))
            seen.state = stepper.state()
        seen.compiled.append(programs())
        seen.graphs.append(log.graphs)
    seen.autocast = getattr(task, "autocast", [])
    return seen


def on_the_cpu(
    path, optimizer="sgd", steps=STEPS, clip=1.0, decay=0.01, eps=1e-6, nsp=True, eps_before=False
) -> Seen:
    """The same steps by the cpu adapter.

    torch's AdamW adds eps after the bias correction; `eps_before` gives it the eps of each
    step that comes to the same as adding it before.
    """
    adapter = CpuAdapter()
    model = fresh_model()
    made = adapter.optimizer(model, OptimizerSpec(optimizer, eps=eps, weight_decay=decay))
    plan = StepPlan("fp32", "padded", max_grad_norm=clip)
    stepper = adapter.build(model, PretrainingObjective(nsp), plan, made, rate)
    seen = Seen()
    tickets = []
    for number, batch in enumerate(feed_of(path).steps(0, steps)):
        for group in made.param_groups if eps_before else ():
            group["eps"] = eps / math.sqrt(1 - 0.999 ** (number + 1))
        tickets.append(stepper.train(batch, number))
    for numbers in stepper.read(tickets):
        seen.losses.append(numbers["loss"])
        seen.norms.append(numbers["grad_norm"])
    seen.weights = adapter.weights(model)
    seen.state = stepper.state()
    return seen


def distance(one: Seen, other: Seen) -> float:
    """Largest difference of a weight; without key biases, whose gradient is round-off."""
    assert one.weights.keys() == other.weights.keys()
    return max(
        float((one.weights[name] - other.weights[name]).abs().max())
        for name in one.weights
        if "key.bias" not in name
    )
