from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bertkit.backends import registry
from bertkit.backends.torch.options import CudaOptions
from bertkit.configuration.config import Resolved
from bertkit.errors import ConfigError, StoppedError
from bertkit.model.config import BertConfig
from bertkit.system import memory
from bertkit.tasks.pretraining import estimate as estimates
from bertkit.tasks.pretraining.estimate import (
    UsualRecords,
    activation_bytes,
    estimate,
    fitting_size,
)
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain


def test_a_plan_in_numbers(settings):
    plan = estimate(settings(max_steps=20, save_every=6, keep_last=2), 40, 24)
    assert (plan.steps, plan.warmup_steps, plan.epochs, plan.records) == (20, 2, 4.0, 40)
    assert plan.checkpoint_bytes == 12 * plan.parameters
    # Four are written, two are kept, and one more lies there while it is written.
    assert plan.disk_bytes == 3 * plan.checkpoint_bytes
    assert "global batch 8 = micro-batch 4 x accumulation 2" in plan.text()


def test_checkpoints_are_as_large_as_estimated(settings):
    result = pretrain(settings(max_steps=1), registry.get("cpu"))
    from pathlib import Path

    size = sum(path.stat().st_size for path in Path(result.checkpoint).iterdir())
    # Names and headers weigh more than a toy's tensors.
    assert 0 <= size - result.plan.checkpoint_bytes < 60_000


def test_more_micro_batch_needs_more_memory(settings):
    small = activation_bytes(settings(micro_batch_size=4), 24)
    assert activation_bytes(settings(micro_batch_size=8), 24) == 2 * small
    assert activation_bytes(settings(micro_batch_size=4, precision="bf16"), 24) == small / 2


@pytest.mark.parametrize("backend", ["cpu", "cuda", "accel", "hpu"])
def test_half_precision_copies_need_memory(settings, backend):
    """2 bytes each for the copy of a weight and its gradient, where a backend has copies."""

    def needed(precision: str) -> int:
        config = settings(max_steps=1, backend=backend, precision=precision)
        ready = prepare(config, registry.make(backend))
        assert ready.config.precision == precision
        return ready.estimate.memory_bytes - activation_bytes(ready.config, 24)

    whole, half = needed("fp32"), needed("bf16")
    assert half - whole == (0 if backend == "hpu" else whole // 4)


def test_recorded_passes_need_memory_of_their_own(settings):
    def needed(graphs, backend="cuda"):
        options = CudaOptions(graphs=graphs)
        config = settings(max_steps=1, backend=backend, cuda=options)
        return estimate(config, 40, 24, caps=registry.make(backend).caps).memory_bytes

    assert needed(True) - needed(False) == activation_bytes(settings(), 24)
    for other in ("cpu", "hpu"):
        assert needed(True, other) == needed(False, other), "another backend's setting"


class Lengths:
    """Records of given lengths."""

    max_seq_length, max_predictions_per_seq = 512, 76

    def __init__(self, lengths):
        self.mask = np.arange(512)[None, :] < np.asarray(lengths)[:, None]

    def __len__(self):
        return len(self.mask)

    def at_epoch(self, epoch):
        return self

    def batch(self, numbers):
        return {"input_mask": self.mask[numbers]}


def test_as_many_sequences_as_the_memory_holds(settings):
    large = BertConfig(
        vocab_size=30522, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
        intermediate_size=4096, max_position_embeddings=512,
    )  # fmt: skip
    source = Lengths(np.random.default_rng(1).integers(16, 512, 300))

    def size(gigabytes, world=1, held=1, **more):
        wanted = {"layout": "unpadded", "precision": "bf16", "global_batch_size": 4096, **more}
        config = settings(model=large, micro_batch_size=0, **wanted)
        return fitting_size(config, UsualRecords(source), world, int(gigabytes * 1e9), held)

    assert size(80) == 128, "23 GB were measured for 64 sequences with float32 rows"
    assert size(24) < size(80) and size(24, recompute=True) > size(24)
    assert size(800) == 128, "more than a device is busy with"
    assert size(40, held=2) <= size(40) / 2, "recorded passes have memory of their own"
    assert size(80, precision="fp32") < size(80) > size(80, layout="padded")
    assert size(1) == 1 and size(0) == 0
    assert size(80, global_batch_size=96) == 96
    assert size(80, world=8, global_batch_size=24) == 3
    assert size(80, world=5) == 0, "what cannot be dealt out is refused elsewhere"


def test_a_device_with_memory_decides_the_size_that_nobody_gave(settings, monkeypatch):
    adapter = registry.get("cpu")
    monkeypatch.setattr(adapter, "device_memory", lambda: 1, raising=False)
    assert prepare(settings(micro_batch_size=0), adapter).config.micro_batch_size == 1
    assert prepare(settings(micro_batch_size=4), adapter).config.micro_batch_size == 4


def test_a_presets_size_yields_to_the_memory_but_its_means_do_not(settings, monkeypatch):
    """Eight sequences of a preset cannot fill a GPU; its recipe's means are those of eight."""
    adapter = registry.get("cpu")
    config = settings(micro_batch_size=2, mlm_group=2, mlm_normalisation="micro_batch")
    preset = {"micro_batch_size": "preset large-phase2", "mlm_group": "preset large-phase2"}
    given = {**preset, "micro_batch_size": "command line"}

    def sizes(memory, origins):
        monkeypatch.setattr(adapter, "device_memory", lambda: memory, raising=False)
        ready = prepare(config, adapter, origins)
        assert ready.config.mlm_group == 2
        assert ("good for" in ready.estimate.text()) == (ready.device_memory > 0)
        return ready.config.micro_batch_size, ready.device_memory

    assert sizes(10**10, preset) == (8, 10**10), "all of a step"
    assert sizes(0, preset) == (2, 0), "nothing is known of the memory"
    assert sizes(10**10, given) == (2, 0), "what the user said"


def test_a_run_keeps_the_groups_of_its_means_on_a_device_with_another_memory(settings, monkeypatch):
    adapter = registry.get("cpu")
    config = settings(micro_batch_size=0, mlm_normalisation="micro_batch", save_every=1)

    def sizes(memory):
        monkeypatch.setattr(adapter, "device_memory", lambda: memory, raising=False)
        ready = prepare(config, adapter)
        return ready.config.micro_batch_size, ready.config.mlm_group

    assert sizes(10**10) == (8, 8)
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=1), adapter)
    assert sizes(1) == (1, 8)


def test_groups_of_means_must_divide_a_step(settings):
    config = settings(mlm_normalisation="micro_batch", mlm_group=3, micro_batch_size=4)
    with pytest.raises(ConfigError, match=r"8 is not a multiple of --mlm-group 3 x 1"):
        prepare(config, registry.get("cpu"))
    assert prepare(replace(config, mlm_group=0), registry.get("cpu")).config.mlm_group == 4
    exact = replace(config, mlm_normalisation="global_step")
    assert prepare(exact, registry.get("cpu")).config.mlm_group == 0


def test_preparing_tells_what_it_derived_and_writes_nothing(settings, tmp_path):
    config = settings(epochs=2.0, backend="auto", micro_batch_size=0)
    ready = prepare(config, registry.get("cpu"))
    given = Resolved(config, {"seed": "command line"})
    rows = {key: (value, origin) for key, value, origin in given.rows(ready.config)}
    assert rows["max_steps"] == ("10", "derived")
    assert rows["micro_batch_size"] == ("8", "derived")
    assert rows["backend"] == ("cpu", "derived")
    assert rows["seed"] == ("12345", "command line")
    assert rows["model.hidden_size"] == ("16", "default")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("stages", "steps"),
    [
        ([], 2),
        (["linear:5:0:1e-3", "linear::1e-3:0"], 5),
        (["constant:5:1e-3", "linear::1e-3:0"], 0),
        (["linear:3:0:1e-4", "exponential:4:1e-4:1e-3", "constant::1e-3"], 7),
        (["linear::0:1e-3"], 20),
    ],
)
def test_the_warm_up_of_stages_is_theirs(settings, stages, steps):
    config = settings(max_steps=20, stage=stages, warmup_proportion=0.1)
    assert estimate(config, 40, 24).warmup_steps == steps


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"eval_every_samples": "mlperf", "global_batch_size": 8}, "every 150,000 samples, and"),
        ({"eval_every": 5}, "every 5 steps, and at the end"),
        ({}, "evaluation   at the end"),
    ],
)
def test_a_plan_tells_when_it_evaluates(settings, given, text):
    assert text in estimate(settings(eval_input=["x"], **given), 40, 24).text()
    assert "evaluation" not in estimate(settings(), 40, 24).text()


def test_too_little_memory_is_told_before_a_run_is_killed_for_it(settings, monkeypatch, caplog):
    prepare(settings(), registry.get("cpu"))
    assert "needs about" not in caplog.text
    monkeypatch.setattr(memory, "available", lambda: 12_345)
    prepare(settings(), registry.get("cpu"))
    assert "needs about" in caplog.text and "12.3 kB are left here" in caplog.text
    caplog.clear()
    estimate(settings(backend="cs"), 40, 24).warn_of_shortage(".")
    assert "needs about" not in caplog.text, "the model is elsewhere"


def test_too_little_disk_is_told_before_a_checkpoint_fails(settings, monkeypatch, caplog):
    config = settings(save_every=1, keep_last=0, max_steps=6)
    needed = prepare(config, registry.get("cpu")).estimate
    monkeypatch.setattr(estimates, "free_bytes", lambda place: needed.disk_bytes - 1)
    prepare(config, registry.get("cpu"))
    assert "checkpoints of this run take up to" in caplog.text and "--keep-last" in caplog.text
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=1), registry.get("cpu"))
    caplog.clear()
    prepare(config, registry.get("cpu"))
    assert "take up to" not in caplog.text, "a part of them is there"


def test_the_memory_of_this_machine_is_told_where_it_is_the_one_used(settings):
    assert "this machine has" in estimate(settings(backend="cpu"), 40, 24).text()
    assert "this machine has" not in estimate(settings(backend="cs"), 40, 24).text()
