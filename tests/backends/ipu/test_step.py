"""Whole steps on IPUs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic

from bertkit.backends import registry
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.step import AttachedModel
from bertkit.errors import DataError, StoppedError
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.tasks.pretraining.pretrain import pretrain

from .conftest import SHAPE, TWO
from .copies import changed_adapter, distance, require_same, trained


def test_packed_rows_are_the_cpus_too(settings, poptorch, tmp_path):
    """Sequences of 6 to 12 tokens in rows of 32: a step takes half the rows."""
    config = settings(
        input=[str(short_records(tmp_path / "short.tfrecord"))], eval_every=0, max_steps=2,
        eval_input=[], layout="packed", ipu=replace(TWO, packing_factor=1.6),
        model=replace(SHAPE, max_position_embeddings=32),
    )  # fmt: skip
    other = pretrain(
        replace(config, output=str(tmp_path / "cpu"), layout="padded"), registry.get("cpu")
    )
    require_same(trained(config), other)
    accumulation = poptorch.DEVICE.compiled[0].options.Training.values["accumulation"]
    assert accumulation == 5, "8 micro-batches / 1.6"
    full = replace(config, ipu=IpuOptions(packing_factor=8.0), output=str(tmp_path / "full"))
    with pytest.raises(DataError, match=r"micro-batches, the compiled program takes 1"):
        trained(full)


def short_records(path: Path) -> Path:
    random = np.random.default_rng(3)
    rows = []
    for _ in range(40):
        row = synthetic.record(random, 12, 3)
        for name in ("input_ids", "input_mask", "segment_ids"):
            row[name] = np.pad(row[name], (0, 20))
        rows.append(encode_example(row))
    write_records(path, rows)
    return path


def test_resumed_equals_uninterrupted_with_dropout(settings, poptorch, tmp_path):
    """Moments and random generators come back, although they live on the device."""
    shape = replace(SHAPE, hidden_dropout_prob=0.3)
    config = settings(model=shape, optimizer="adamw", learning_rate=0.01, eval_every=0)
    whole = trained(replace(config, output=str(tmp_path / "whole")))
    with pytest.raises(StoppedError):
        trained(replace(config, steps_this_run=2))
    resumed = trained(config)
    assert resumed.resumed_from == 2
    assert distance(resumed.checkpoint, whole.checkpoint) == 0
    quiet = replace(config, model=SHAPE, output=str(tmp_path / "quiet"))
    assert distance(trained(quiet).checkpoint, whole.checkpoint) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("            self._training_model.rng_state = self._random\n", "            pass\n"),
        ("        load_saved_state(self.optimizer, state", "        (self.optimizer, state"),
    ],
    ids=["random", "moments"],
)
def test_what_a_resumed_run_needs_is_on_the_device(settings, poptorch, tmp_path, old, new):
    shape = replace(SHAPE, hidden_dropout_prob=0.3)
    config = settings(model=shape, optimizer="adamw", learning_rate=0.01, eval_every=0)
    whole = trained(replace(config, output=str(tmp_path / "whole")))
    with pytest.raises(StoppedError):
        trained(replace(config, steps_this_run=2))
    forgetful = changed_adapter("step", old, new)
    assert distance(trained(config, forgetful).checkpoint, whole.checkpoint) > 1e-6


class Executor:
    """A compiled model that notes what is done with it."""

    def __init__(self, compiled: bool = True) -> None:
        self.calls: list[str] = []
        self._attached, self._compiled = False, compiled

    def isCompiled(self):
        return self._compiled

    def isAttachedToDevice(self):
        return self._attached

    def attachToDevice(self):
        self._attached = True
        self.calls.append("attach")

    def detachFromDevice(self):
        self._attached = False
        self.calls.append("detach")

    def copyWeightsToHost(self):
        self.calls.append("fetch")


def test_one_model_at_a_time_is_attached_and_trained_weights_are_fetched_first():
    training, evaluating = Executor(), Executor()
    attached = AttachedModel()
    attached.fetch_weights()  # nothing is attached yet
    attached.attach(training, trains=True)
    attached.attach(training, trains=True)
    assert training.calls == ["attach"], "it stays"
    attached.attach(evaluating, trains=False)
    assert training.calls == ["attach", "fetch", "detach"]
    attached.attach(training, trains=True)
    assert evaluating.calls == ["attach", "detach"], "nothing was trained there"
    attached.detach()
    attached.detach()
    assert training.calls[3:] == ["attach", "fetch", "detach"]


def test_a_model_that_is_not_compiled_is_attached_by_its_compilation():
    executor = Executor(compiled=False)
    AttachedModel().attach(executor, trains=True)
    assert executor.calls == []
