from __future__ import annotations

import numpy as np
import pytest
import synthetic
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch import cpu
from bertkit.data.step_batch import StepBatch, unpadded, weighted
from bertkit.log import logger
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.system import processor
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization.schedule import make_schedule
from bertkit.train.step_settings import chosen_precision

SHAPE = {
    "vocab_size": synthetic.VOCAB, "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 24,
    "initializer_range": 0.1,
}  # fmt: skip


def stepper(precision, rate):
    """A fresh model's, with dropout at a rate."""
    torch.manual_seed(1)
    rates = {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
    adapter = cpu.CpuAdapter()
    model = adapter.place(BertForPreTraining(BertConfig(**SHAPE, **rates)))
    schedule = make_schedule("constant", learning_rate=2e-3, max_steps=100, warmup_steps=0)
    optimizer = adapter.optimizer(model, OptimizerSpec())
    plan = StepPlan(precision, max_grad_norm=1.0, seed=3)
    return adapter.build(model, PretrainingObjective(), plan, optimizer, schedule)


def batches(count, parts=2, rows=16):
    made = []
    for number in range(count):
        records = weighted(synthetic.batch(rows, seed=number), "global_step", rows)
        cuts = np.array_split(np.arange(rows), parts)
        cut = [{name: values[own] for name, values in records.items()} for own in cuts]
        made.append(StepBatch([unpadded(part) for part in cut]))
    return made


def losses(step, given, first=0):
    tickets = [step.train(batch, first + number) for number, batch in enumerate(given)]
    return [row["loss"] for row in step.read(tickets)]


def test_it_is_always_present():
    probe = cpu.CpuAdapter().probe()
    assert probe.present
    assert "thread" in probe.reason and "bf16" in probe.reason


@pytest.mark.parametrize(("hardware", "warned"), [(False, True), (True, False)])
def test_emulated_bf16_is_warned_of(monkeypatch, hardware, warned):
    """Products of bf16 without instructions for them were measured 13 times slower than fp32."""
    seen = []
    monkeypatch.setattr(cpu, "has_bf16", lambda: hardware)
    monkeypatch.setattr(logger, "warning", lambda text, *_: seen.append(text))
    adapter = cpu.CpuAdapter()
    adapter.build(torch.nn.Linear(1, 1), PretrainingObjective(), StepPlan("bf16"))
    assert bool(seen) == warned
    adapter.build(torch.nn.Linear(1, 1), PretrainingObjective(), StepPlan("fp32"))
    assert len(seen) == int(warned)


def test_starting_twice_does_no_harm():
    adapter = cpu.CpuAdapter()
    assert adapter.start().is_main and adapter.start().world == 1
    # A block above the usual threshold of mmap, made, used and freed again.
    for _ in range(3):
        assert float(torch.ones(1 << 22).sum()) == 1 << 22


@pytest.mark.parametrize(
    ("tiles", "vectors", "amd", "hidden", "expected"),
    [
        (True, True, False, 1024, "bf16"),
        (True, True, False, 768, "bf16"),
        (True, True, False, 128, "bf16"),
        (True, True, False, 64, "fp32"),
        (False, True, False, 768, "fp32"),
        (False, True, True, 768, "bf16"),
        (False, True, True, 128, "bf16"),
        (False, True, True, 64, "fp32"),
        (False, False, True, 768, "fp32"),
    ],
)
def test_auto_takes_what_is_faster(monkeypatch, tiles, vectors, amd, hidden, expected):
    """Measured, see benchmarks/RESULTS.md: bf16 with AMX or AMD's units, from 128 columns on."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors, raising=False)
    monkeypatch.setattr(processor, "is_amd", lambda: amd)
    assert chosen_precision(cpu.CpuAdapter(), "auto", hidden) == expected
    assert chosen_precision(cpu.CpuAdapter(), "fp32", hidden) == "fp32"


def test_auto_is_fp32_where_pytorch_does_not_know(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert cpu.CpuAdapter().best_precision(768) == "fp32"


@pytest.mark.parametrize(
    ("listed", "expected"), [({"fp", "asimd"}, False), ({"fp", "bf16"}, True), (set(), True)]
)
def test_arm_has_bf16_where_the_system_lists_it_or_lists_nothing(monkeypatch, listed, expected):
    monkeypatch.setattr(cpu.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(processor, "features", lambda: frozenset(listed))
    assert cpu.has_bf16() == expected


def test_bf16_learns_what_float32_learns():
    given = batches(8)
    exact, half = (losses(stepper(precision, 0.0), given) for precision in ("fp32", "bf16"))
    assert exact[-1] < 0.97 * exact[0]
    assert half != exact
    np.testing.assert_allclose(half, exact, rtol=2e-3)


def test_bf16_of_a_step_does_not_depend_on_its_parts():
    whole, cut = (losses(stepper("bf16", 0.0), batches(4, parts)) for parts in (1, 4))
    np.testing.assert_allclose(whole, cut, rtol=1e-3)


def test_a_resumed_run_in_bf16_is_the_uninterrupted_one_bit_for_bit():
    given = batches(4)
    straight = stepper("bf16", 0.1)
    straight_losses = losses(straight, given)
    before = stepper("bf16", 0.1)
    losses(before, given[:2])
    weights = {name: value.clone() for name, value in before.model.state_dict().items()}
    after = stepper("bf16", 0.1)
    after.model.load_state_dict(weights)
    after.load_state(before.state())
    assert losses(after, given[2:], 2) == straight_losses[2:]
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, after.model.state_dict()[name]), name
    assert {value.dtype for value in straight.model.parameters()} == {torch.float32}
