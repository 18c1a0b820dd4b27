"""What Cerebras' package refuses, and that the adapter keeps to it.

The refusals are true of the package and of the stand-in alike, so that the stand-in, which
also plays a system, can be trusted where the package has none.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertkit.backends.cs import features as cs_data
from bertkit.backends.cs import step as cs_step
from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.cs.schedule import EngineSchedule
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import StoppedError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint
from bertkit.train.optimization.schedule import make_schedule
from bertkit.train.stop_signals import StopSignals

from . import runs
from .runs import REAL, far, train

played = pytest.mark.skipif(REAL, reason="needs a system, which the stand-in plays")

# What the vendor refuses: true of the package and of the stand-in alike.

VENDOR = """
import os, sys, torch
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
torch.manual_seed(1)
import cerebras.pytorch as cstorch
systems, body, rows, half = {systems}, {body!r}, {rows}, {half!r}
backend = cstorch.backend("CSX", validate_only=True, artifact_dir="logs",
                          cluster_config=cstorch.distributed.ClusterConfig(num_csx=systems))
cstorch.amp.set_half_dtype(half)
model = torch.nn.Linear(4, 1)
forward = cstorch.compile(model, backend)
optimizer = cstorch.optim.SGD(model.parameters(), lr=0.1)
scaler = cstorch.amp.GradScaler(loss_scale="dynamic") if half == "float16" else None
def inputs():
    for _ in range(3):
        yield {{"x": torch.ones(2, 4), "y": torch.ones(rows)}}
def work(batch):
    loss = (forward(batch["x"]).squeeze(1) - batch["y"].sum()).float().pow(2).sum()
    if scaler:
        scaler.scale(loss).backward()
        if body != "step without unscale_":
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        optimizer.step()
    optimizer.zero_grad()
    if body == "item inside":
        loss.item()
    if body == "boolean index inside":
        batch["x"][batch["x"] > 0]
    return loss
step = work if body == "no trace" else cstorch.trace(work)
try:
    if body == "second backend":
        cstorch.backend("CPU")
    if body == "micro batch":
        cstorch.backends.csx.performance.micro_batch_size = "auto2"
    if body == "level":
        cstorch.backends.csx.precision.optimization_level = 7
    if body == "plain loader":
        loader = torch.utils.data.DataLoader([1, 2])
    else:
        loader = cstorch.utils.data.DataLoader(inputs)
    for batch in cstorch.utils.data.DataExecutor(loader, num_steps=2):
        loss = step(batch)
        if body == "float outside":
            float(loss)
        if body == "cpu outside":
            loss.cpu().numpy()
except Exception as error:
    print(type(error).__mro__, "|", *str(error).split())
else:
    print("taken")
"""
REFUSED = {
    "item inside": (RuntimeError, "_local_scalar_dense"),
    "boolean index inside": (NotImplementedError, "nonzero"),
    "float outside": (RuntimeError, "_local_scalar_dense"),
    "cpu outside": (RuntimeError, "outside of a step closure"),
    "no trace": (RuntimeError, "outside of"),
    "second backend": (RuntimeError, "multiple backends"),
    "plain loader": (TypeError, "wrapped"),
    "micro batch": (Exception, "micro_batch_size"),
    "level": (ValueError, ""),
    "step without unscale_": (RuntimeError, "non-empty TensorList"),
    "too many systems": (ValueError, "less than or equal to the model batch size"),
    "several batch sizes": (RuntimeError, "uniform batch sizes"),
}


@pytest.mark.parametrize("body", ["nothing", "nothing in fp16", *REFUSED])
def test_the_vendor_refuses(tmp_path, monkeypatch, body):
    monkeypatch.chdir(tmp_path)
    text = VENDOR.format(
        systems=3 if body == "too many systems" else 1, body=body,
        rows=3 if body == "several batch sizes" else 2,
        half="float16" if body in ("nothing in fp16", "step without unscale_") else "bfloat16",
    )  # fmt: skip
    answer = runs.program(text)
    if body not in REFUSED:
        assert answer == "taken"
        return
    kind, message = REFUSED[body]
    assert kind.__name__ in answer and message in answer, answer


# A system, played by the stand-in


def on_system(tmp_path, **more) -> CsOptions:
    return CsOptions(artifacts=str(tmp_path / "logs"), address="cluster:9000", **more)


@played
@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_system_trains_as_the_cpu_backend_does(cstorch, cs_records, tmp_path, layout, precision):
    theirs = train(CpuAdapter(), cs_records, tmp_path, "padded", 5)
    options = on_system(tmp_path, micro_batch="explore")
    ours = train(
        CsAdapter(), cs_records, tmp_path, layout, 5, options=options, precision=precision
    )  # fmt: skip
    assert far(ours[1], theirs[1]) < 1e-5
    for mine, other in zip(ours[0], theirs[0], strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert cstorch.backends.csx.performance.micro_batch_size == "explore"


@pytest.mark.slow
@played
def test_a_run_on_a_system_resumes_and_evaluates(cstorch, cs_settings, cs_records, tmp_path):
    options = {"cs": on_system(tmp_path), "precision": "bf16"}
    asked = [str(cs_records / "eval.tfrecord")]
    whole = cs_settings(output=str(tmp_path / "whole"), eval_input=asked, eval_every=4, **options)
    pretrain(whole, CsAdapter())
    options["cs"] = on_system(tmp_path / "other")
    parts = cs_settings(output=str(tmp_path / "parts"), steps_this_run=3, **options)
    with pytest.raises(StoppedError):
        pretrain(parts, CsAdapter())
    assert [step for step, _ in checkpoint.in_run(parts.output)] == [2, 3]
    pretrain(replace(parts, steps_this_run=0), CsAdapter())
    places = [Path(run.output) / "step-0000006/model.safetensors" for run in (whole, parts)]
    assert far(*map(load_file, places)) < 1e-7
    assert sorted(path.name for path in (tmp_path / "logs/checkpoints").iterdir()) == [
        "checkpoint_6.mdl"
    ]


@played
def test_a_signal_between_announced_steps_cannot_save(cstorch, cs_settings, tmp_path, monkeypatch):
    """Weights are on the system then; the last checkpoint stays."""
    config = cs_settings(save_every=4, cs=on_system(tmp_path), precision="bf16")
    warned = []
    monkeypatch.setattr(
        cs_step.log.logger, "warning", lambda text, *values: warned.append(text % values)
    )
    adapter = CsAdapter()

    def signal_in_step_5(_):
        return signal.SIGTERM if adapter._snapshots.step == 5 else 0

    came = property(signal_in_step_5, lambda signals, number: None)
    monkeypatch.setattr(StopSignals, "number", came, raising=False)
    with pytest.raises(StoppedError):
        pretrain(config, adapter)
    assert [step for step, _ in checkpoint.in_run(config.output)] == [4]
    assert any("nothing saved at step 5" in text for text in warned)


def broken_read(self, features):
    found = TRAIN(self, features)
    found["loss"].item()
    return found


def broken_state(self, features):
    """A number that Python counts is not counted by the system."""
    self.count = getattr(self, "count", 0) + 1
    return {**TRAIN(self, features), "count": torch.ones(()) * self.count}


def broken_rows(batch, length, segment_padding=0):
    found = FEATURES(batch, length, segment_padding)
    return {**found, "masked_lm_ids": found["masked_lm_ids"].reshape(-1)}


def broken_positions(batch, length, segment_padding=0):
    """Numbers that count across rows."""
    found = FEATURES(batch, length, segment_padding)
    places = found["masked_lm_positions"]
    across = places + np.arange(len(places), dtype=np.int32)[:, None]
    return {**found, "masked_lm_positions": np.minimum(across, length - 1)}


def broken_mask(batch, length, segment_padding=0):
    found = FEATURES(batch, length, segment_padding)
    return {**found, "input_mask": 1 - found["input_mask"]}


def broken_unscale(self, features):
    self.scaler.unscale_ = lambda optimizer: None
    return TRAIN(self, features)


def broken_rates(self, step, on_system):
    pass


TRAIN = cs_step.CsStepper._train_body
FEATURES = cs_data.features
BREAKAGES = {
    "a number read in the step": (cs_step.CsStepper, "_train_body", broken_read),
    "Python state in the step": (cs_step.CsStepper, "_train_body", broken_state),
    "rows of several lengths": (cs_data, "features", broken_rows),
    "positions across rows": (cs_data, "features", broken_positions),
    "the mask not inverted": (cs_data, "features", broken_mask),
    "no unscale_": (cs_step.CsStepper, "_train_body", broken_unscale),
    "rates from step 0": (EngineSchedule, "set_step", broken_rates),
}


@played
@pytest.mark.parametrize("name", BREAKAGES)
def test_each_rule_is_kept_by_the_adapter_and_seen_when_broken(
    cstorch, cs_records, tmp_path, monkeypatch, name
):
    owner, attribute, broken = BREAKAGES[name]
    rates = make_schedule("linear", learning_rate=0.5, max_steps=8, warmup_steps=6)
    if name == "rates from step 0":  # seen only by a run that goes on
        late = replace(rates, pieces=tuple(replace(p, begin=p.begin - 2) for p in rates.pieces))
        theirs = train(CpuAdapter(), cs_records, tmp_path, "padded", 3, schedule=late)
        monkeypatch.setattr(CsAdapter, "build", later(CsAdapter.build))
    else:
        theirs = train(CpuAdapter(), cs_records, tmp_path, "padded", 3, schedule=rates)

    def difference():
        ours = train(CsAdapter(), cs_records, tmp_path, "padded", 3, schedule=rates,
                     options=on_system(tmp_path), precision="fp16")  # fmt: skip
        cstorch.backend().close()
        return far(ours[1], theirs[1])

    assert difference() < 1e-5
    monkeypatch.setattr(owner, attribute, broken)
    try:
        assert difference() > 1e-5
    except (RuntimeError, NotImplementedError):
        cstorch.backend().close()


def later(build):
    """A stepper whose steps count from 2."""

    def built(self, *words):
        stepper = build(self, *words)
        plain = stepper.train
        stepper.train = lambda batch, step: plain(batch, step + 2)
        return stepper

    return built


@played
def test_weights_leave_only_through_a_checkpoint_closure(
    cstorch, cs_records, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        cs_step.CsStepper, "_save_snapshot", lambda self, step: next(self.model.parameters()).cpu()
    )
    with pytest.raises(RuntimeError, match="use save"):
        train(CsAdapter(), cs_records, tmp_path, options=on_system(tmp_path), precision="bf16")
