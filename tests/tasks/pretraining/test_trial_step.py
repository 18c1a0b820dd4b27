"""The mock batch of a dry run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.backends.base import Probe
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining import trial_step
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.trial_step import largest_batch, run_trial_step

CPU = registry.get("cpu")


@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_the_batch_is_the_largest_there_can_be(settings, layout):
    (batch,) = largest_batch(prepare(settings(layout=layout), CPU), CPU).micro_batches
    arrays = batch.arrays
    assert batch.lengths.tolist() == [24] * 4
    assert len(arrays["ids"]) == 4 * 24
    assert len(arrays["mlm_rows"]) == 4 * 4, "all predictions are used"
    assert len(set(arrays["mlm_rows"])) == 16


def test_what_it_tells(settings, tmp_path):
    ready = prepare(settings(), CPU)
    found = run_trial_step(ready, CPU)
    assert found.tokens == 4 * 24
    assert found.micro_batch_seconds > 0
    # The process has at least the library in memory.
    assert found.peak_memory_bytes > 50e6
    # Twenty steps of two micro-batches that are mostly shorter than the largest one.
    assert 0 < found.run_seconds < 40 * found.micro_batch_seconds
    assert "96 tokens" in found.text()
    assert not (tmp_path / "run").exists()


def test_padding_costs_time_in_the_padded_layout_only(settings):
    results = {}
    for layout in ("padded", "unpadded"):
        found = run_trial_step(prepare(settings(layout=layout), CPU), CPU)
        results[layout] = found.run_seconds / found.micro_batch_seconds
    assert results["padded"] == pytest.approx(40, rel=0.1)
    assert results["unpadded"] < 0.9 * results["padded"]


def test_a_long_one_waits_to_be_asked_for(settings, monkeypatch):
    large = BertConfig(
        vocab_size=64, hidden_size=4096, num_hidden_layers=1, intermediate_size=4096,
        num_attention_heads=2, max_position_embeddings=32,
    )  # fmt: skip
    ready = prepare(settings(), CPU)
    monkeypatch.setattr(type(CPU), "peak_flops", lambda self, precision: 1e9)
    assert run_trial_step(replace(ready, config=replace(ready.config, model=large)), CPU) is None
    assert run_trial_step(ready, CPU, wanted=False) is None
    monkeypatch.setattr(type(CPU), "peak_flops", lambda self, precision: 1.0)
    assert run_trial_step(ready, CPU) is None
    assert run_trial_step(ready, CPU, wanted=True) is not None


def test_several_processes_have_none(settings, monkeypatch):
    ready = prepare(settings(), CPU)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_trial_step(ready, CPU, wanted=True) is None


class Clock:
    """A stepper whose first steps are slow, and the clock that they move on."""

    def __init__(self, seconds):
        self.seconds, self.now = iter(seconds), 0.0

    def perf_counter(self):
        return self.now

    def train(self, batch, step):
        self.now += next(self.seconds)

    def read(self, tickets):
        return []


@pytest.mark.parametrize("graphs", [False, True])
def test_what_only_the_first_steps_do_is_not_timed(settings, monkeypatch, graphs):
    """The first makes what is made once; where steps are recorded, the second does that."""
    config = settings(precision="bf16", cuda=CudaOptions(graphs=graphs))
    clock = Clock([30.0, 20.0, 1.0] if graphs else [30.0, 1.0])
    adapter = CudaAdapter()
    ready = prepare(config, adapter)
    monkeypatch.setattr(trial_step.time, "perf_counter", clock.perf_counter)
    monkeypatch.setattr(adapter, "probe", lambda: Probe("cuda", True, ""))
    monkeypatch.setattr(adapter, "start", lambda options: None)
    monkeypatch.setattr(adapter, "place", lambda model: model)
    monkeypatch.setattr(adapter, "build", lambda *_: clock)
    memory = {"is_available": True, "max_memory_allocated": 90, "memory_allocated": 20}
    for name, value in memory.items():
        monkeypatch.setattr(f"torch.accelerator.{name}", lambda value=value: value)
    found = run_trial_step(ready, adapter, wanted=True)
    assert found.micro_batch_seconds == 1.0
    # A run has recorded passes in memory, and at times one that is run.
    assert found.peak_memory_bytes == (160 if graphs else 90)
