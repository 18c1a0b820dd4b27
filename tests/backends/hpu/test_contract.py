"""Every rule of Gaudi that the adapter keeps, and for each a breakage that is noticed.

The stand-in (`fakes/habana_frameworks`) refuses what the vendor's package refuses; its lazy
mode runs on torch's own lazy device, whose counters tell programs compiled and numbers read.
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import replace

import pytest
import synthetic
import torch

from backends.hpu import gaudi
from bertkit.backends.hpu import adapter, graphs, optimizers, step
from bertkit.backends.hpu.adapter import HpuAdapter
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.hpu.step import HpuStepper
from bertkit.data.step_batch import MicroBatch
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.optimizers import load_named_state, make_optimizer

GRAPHS = HpuOptions(graphs=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "r.tfrecord"
    return synthetic.write(place, gaudi.RECORDS, seed=5)


@pytest.fixture(scope="module")
def expected(path):
    """What the cpu adapter makes of a setting, computed once."""
    return functools.cache(lambda *names, **more: gaudi.on_the_cpu(path, *names, **more))


def marks_end_every_backward_pass_and_the_update(seen, expected):
    # Two micro-batches and one update; nothing else marks with SGD without clipping.
    assert seen.marks == [3] * len(seen.marks)


def nothing_is_compiled_after_the_warm_up(seen, expected):
    """Not by log steps, checkpoints, new rates, the end of the epoch or an evaluation's last
    batch, which is not full."""
    assert seen.compiled[1:] == seen.compiled[1:2] * (len(seen.compiled) - 1)
    for counts in seen.measured:
        assert counts[1:] == counts[1:2] * (len(counts) - 1)


def nothing_is_read_between_log_steps(seen, expected):
    assert seen.syncs == [0] * len(seen.syncs)


def biases_that_start_at_zero_move(seen, expected):
    for name, weight in seen.weights.items():
        if name.endswith("bias") and "key" not in name:
            assert weight.abs().max() > 0, name


def forward_passes_run_in_bf16(seen, expected):
    assert seen.autocast and all(seen.autocast)


def checkpoints_hold_plain_names_on_the_cpu(seen, expected):
    assert seen.weights.keys() == gaudi.fresh_model().state_dict().keys()
    assert {weight.device.type for weight in seen.weights.values()} == {"cpu"}
    for own in seen.state["optimizer"].values():
        assert all(value.device.type == "cpu" for value in own.values())


def numbers_are_those_of_the_cpu(seen, expected):
    known = expected("sgd", clip=0.0)
    assert seen.losses == pytest.approx(known.losses, rel=1e-5)
    assert seen.norms == pytest.approx(known.norms, rel=1e-4)
    assert gaudi.distance(seen, known) < 1e-5


def the_kernel_clips_where_the_plan_says(seen, expected):
    known = expected("nvlamb", clip=1e-5)
    assert gaudi.distance(seen, known) < 1e-4


def graphs_are_captured_once_and_keep_their_numbers(seen, expected):
    # The first micro-batch of a step, the others, and evaluation.
    assert seen.graphs[0] == 2 and sum(seen.graphs) == 3
    assert all(math.isfinite(value) for value in (*seen.losses, *seen.evaluation.values()))
    numbers_are_those_of_the_cpu(seen, expected)


# Runs by name: the settings, and the rules that hold in them.
RUNS = {
    "sgd": (
        {"clip": 0.0},
        [
            marks_end_every_backward_pass_and_the_update,
            nothing_is_compiled_after_the_warm_up,
            nothing_is_read_between_log_steps,
            checkpoints_hold_plain_names_on_the_cpu,
            numbers_are_those_of_the_cpu,
        ],
    ),
    "adamw": (
        {"optimizer": "adamw", "precision": "bf16"},
        [
            nothing_is_compiled_after_the_warm_up,
            nothing_is_read_between_log_steps,
            biases_that_start_at_zero_move,
            forward_passes_run_in_bf16,
            checkpoints_hold_plain_names_on_the_cpu,
        ],
    ),
    "nvlamb": (
        {"optimizer": "nvlamb", "clip": 1e-5},
        [
            nothing_is_compiled_after_the_warm_up,
            nothing_is_read_between_log_steps,
            biases_that_start_at_zero_move,
            checkpoints_hold_plain_names_on_the_cpu,
            the_kernel_clips_where_the_plan_says,
        ],
    ),
    "graphs": (
        {"clip": 0.0, "options": GRAPHS},
        [
            nothing_is_compiled_after_the_warm_up,
            nothing_is_read_between_log_steps,
            checkpoints_hold_plain_names_on_the_cpu,
            graphs_are_captured_once_and_keep_their_numbers,
        ],
    ),
}


@pytest.mark.parametrize(
    "name", [*[*RUNS][:2], *(pytest.param(name, marks=pytest.mark.slow) for name in [*RUNS][2:])]
)
def test_the_adapter_keeps_the_rules(path, expected, name):
    settings, rules = RUNS[name]
    with gaudi.machine():
        seen = gaudi.run(path, **settings)
    for rule in rules:
        rule(seen, expected)


# ---------------------------------------------------------------- breakages


@contextlib.contextmanager
def _no_marks(self, number, last):
    yield


def _quiet(update):
    """The update without the mark at its end."""

    def without(self, optimizer):
        mark, self.engine.mark = self.engine.mark, lambda: None
        try:
            return update(self, optimizer)
        finally:
            self.engine.mark = mark

    return without


def _reads(update):
    def reading(self, optimizer):
        norm = update(self, optimizer)
        float(norm)
        return norm

    return reading


def _decay_inside(model, spec, sharded):
    made = optimizers.make_fused(model, spec)
    for group in made.param_groups:
        group["weight_decay"] = group.pop("decay")
    return made


def _plain_forward(self, micro):
    tensors = {name: self._to_device(values) for name, values in micro.arrays.items()}
    return (self.model if torch.is_grad_enabled() else self.inference)(tensors)


def _under_autocast(update):
    def wrapped(self, optimizer):
        with torch.autocast("hpu", torch.bfloat16):
            return update(self, optimizer)

    return wrapped


def _zeroes_with_an_argument(self, optimizer):
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return torch.zeros(()).to("hpu")


def _with_hook(module, *more):
    made = graphs.for_training(module, *more)
    made.register_forward_hook(lambda *_: None)
    return made


def _always_adapts(importing):
    def patched(name, *more):
        module = importing(name, *more)
        if name.endswith("hpex.optimizers") and not hasattr(module, "honest"):
            module.honest = module.FusedLamb
            module.FusedLamb = lambda *args, **kwargs: module.honest(
                *args, **{**kwargs, "use_lamb": True}
            )
        return module

    return patched


# Breakage: (run in which it shows, what is put in place of what, who notices).
BREAKAGES = {
    "no mark after backward passes": (
        "sgd", lambda patch: patch.setattr(HpuStepper, "_exchange", _no_marks),
        marks_end_every_backward_pass_and_the_update,
    ),
    "no mark after the update": (
        "sgd", lambda patch: patch.setattr(HpuStepper, "_update", _quiet(HpuStepper._update)),
        marks_end_every_backward_pass_and_the_update,
    ),
    "evaluation's last batch is not filled": (
        "sgd",
        lambda patch: patch.setattr(
            HpuAdapter, "caps", replace(HpuAdapter.caps, fixed_shapes=False)
        ),
        nothing_is_compiled_after_the_warm_up,
    ),
    "the rate is a Python number in the program": (
        "adamw", lambda patch: patch.setattr(adapter, "make_fused", _decay_inside),
        nothing_is_compiled_after_the_warm_up,
    ),
    "an optimizer written in Python": (
        "sgd",
        lambda patch: patch.setattr(adapter, "make_fused", lambda m, s, _: make_optimizer(m, s)),
        nothing_is_compiled_after_the_warm_up,
    ),
    "a number is read at every step": (
        "sgd", lambda patch: patch.setattr(HpuStepper, "_update", _reads(HpuStepper._update)),
        nothing_is_read_between_log_steps,
    ),
    "trust ratios for biases": (
        "nvlamb",
        lambda patch: patch.setattr(
            optimizers.importlib,
            "import_module",
            _always_adapts(optimizers.importlib.import_module),
        ),
        biases_that_start_at_zero_move,
    ),
    "the kernel's own clipping limit": (
        "nvlamb", lambda patch: patch.setattr(HpuStepper, "__post_init__", _forgets_the_limit),
        the_kernel_clips_where_the_plan_says,
    ),
    "forward passes without autocast": (
        "adamw", lambda patch: patch.setattr(HpuStepper, "_forward", _plain_forward),
        forward_passes_run_in_bf16,
    ),
    "weights as the wrapper has them": (
        "sgd",
        lambda patch: patch.setattr(
            HpuAdapter, "weights", lambda self, model: graphs.LossModule(model, None).state_dict()
        ),
        checkpoints_hold_plain_names_on_the_cpu,
    ),
    "weights where they are": (
        "sgd", lambda patch: patch.setattr(
            HpuAdapter, "weights", lambda self, model: dict(model.state_dict())
        ),
        checkpoints_hold_plain_names_on_the_cpu,
    ),
    "outputs of graphs are kept": (
        "graphs", lambda patch: patch.setattr(HpuStepper, "_forward", _plain_forward),
        graphs_are_captured_once_and_keep_their_numbers,
    ),
}  # fmt: skip


def _forgets_the_limit(self):
    self._averages, self._clipper = False, None


# Rules that need more than two steps to fail.
OVER_TIME = (
    nothing_is_compiled_after_the_warm_up,
    the_kernel_clips_where_the_plan_says,
    graphs_are_captured_once_and_keep_their_numbers,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_rule_is_noticed(path, expected, monkeypatch, name):
    kind, breaks, rule = BREAKAGES[name]
    breaks(monkeypatch)
    steps = gaudi.STEPS if rule in OVER_TIME else 2
    with gaudi.machine():
        seen = gaudi.run(path, **RUNS[kind][0], steps=steps)
    with pytest.raises(AssertionError):
        rule(seen, expected)


# Breakage: (run, what is put in place of what, error of the stand-in and its words).
REFUSED = {
    "the environment is not set": (
        "sgd", lambda patch: patch.setattr(adapter, "set_environment", lambda options: None),
        RuntimeError, "PT_HPU_LAZY_MODE is not set",
    ),
    "zero_grad with an argument": (
        "nvlamb", lambda patch: patch.setattr(HpuStepper, "_update", _zeroes_with_an_argument),
        TypeError, "set_to_none",
    ),
    "the update under autocast": (
        "sgd",
        lambda patch: patch.setattr(HpuStepper, "_update", _under_autocast(HpuStepper._update)),
        RuntimeError, "the update runs under autocast",
    ),
    "micro-batches are not counted for graphs": (
        "graphs", lambda patch: patch.setattr(HpuStepper, "_exchange", _no_marks),
        AssertionError, "call set_iteration_count before every micro-batch",
    ),
    "hooks on a module with graphs": (
        "graphs", lambda patch: patch.setattr(adapter, "for_training", _with_hook),
        AssertionError, "must not have hooks",
    ),
    "graphs of things that are no tensors": (
        "graphs", lambda patch: patch.setattr(
            HpuStepper, "_to_device", lambda self, values: MicroBatch({}, values)
        ),
        AssertionError, "graphs take tensors only, not MicroBatch",
    ),
    "weights that were never placed": (
        "sgd", lambda patch: patch.setattr(HpuAdapter, "place", lambda self, model: model),
        RuntimeError, "expected a tensor on hpu|not a lazy tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_rule_is_refused(path, monkeypatch, name):
    kind, breaks, error, words = REFUSED[name]
    breaks(monkeypatch)
    with gaudi.machine(), pytest.raises(error, match=words):
        gaudi.run(path, **RUNS[kind][0])


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("adamw", UNCORRECTED, "nvlamb")),
    ],
)
def test_a_resumed_run_is_the_uninterrupted_one(path, optimizer, monkeypatch):
    settings = {"optimizer": optimizer, "clip": 1.0}

    def resumed():
        with gaudi.machine():
            half = gaudi.run(path, **settings, steps=2)
        model = gaudi.fresh_model(seed=99)
        model.load_state_dict(half.weights)
        with gaudi.machine():
            return gaudi.run(path, **settings, steps=2, first=2, model=model, state=half.state)

    with gaudi.machine():
        whole = gaudi.run(path, **settings)
    rest = resumed()
    for name, weight in whole.weights.items():
        assert torch.equal(weight, rest.weights[name]), name
    for name, own in whole.state["optimizer"].items():
        for what, value in own.items():
            assert torch.equal(value, rest.state["optimizer"][name][what]), (name, what)
    if optimizer in ("adamw", "nvlamb"):
        # Without the step count the bias corrections start again.
        monkeypatch.setattr(step, "load_fused_state", _forgets_the_steps)
        assert gaudi.distance(whole, resumed()) > 1e-5


def _forgets_the_steps(optimizer, saved):
    load_named_state(
        optimizer, {n: {w: v for w, v in own.items() if w != "step"} for n, own in saved.items()}
    )
