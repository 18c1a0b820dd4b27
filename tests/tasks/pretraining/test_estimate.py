from __future__ import annotations

from bertkit.backends import registry
from bertkit.tasks.pretraining.estimate import activation_bytes, estimate, machine_memory
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
    assert machine_memory() > 0


def test_preparing_tells_what_it_derived_and_writes_nothing(settings, tmp_path):
    config = settings(epochs=2.0, backend="auto", micro_batch_size=0)
    ready = prepare(config, registry.get("cpu"))
    rows = {key: (value, origin) for key, value, origin in ready.rows({"seed": "command line"})}
    assert rows["max_steps"] == ("10", "derived")
    assert rows["micro_batch_size"] == ("8", "derived")
    assert rows["backend"] == ("cpu", "derived")
    assert rows["seed"] == ("12345", "command line")
    assert rows["model.hidden_size"] == ("16", "default")
    assert not (tmp_path / "run").exists()
