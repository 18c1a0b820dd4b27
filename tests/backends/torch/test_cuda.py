"""What can be known of the CUDA adapter without a GPU; with one, a run equals the CPU's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic
import torch

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.tasks.pretraining.pretrain import pretrain

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


def test_probe_tells_a_cpu_build_from_a_missing_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA" in CudaAdapter().probe().reason
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "finds no usable GPU" in CudaAdapter().probe().reason


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled")
@pytest.mark.parametrize(("precision", "scales"), [("fp16", True), ("bf16", False)])
def test_only_fp16_is_scaled(precision, scales):
    model = torch.nn.Linear(2, 2)
    adapter = CudaAdapter()
    optimizer = adapter.optimizer(model, OptimizerSpec())
    step = adapter.build(
        model, PretrainingObjective(), StepPlan(precision), optimizer, lambda step: 0.1
    )
    assert (step.scaler is not None) == scales
    assert adapter.build(model, PretrainingObjective(), StepPlan(precision)).scaler is None


@needs_gpu
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_a_run_on_the_gpu_equals_the_cpu(tmp_path, layout):
    path = synthetic.write(tmp_path / "r.tfrecord", 40, seed=1)
    shape = BertConfig(
        vocab_size=synthetic.VOCAB, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=256, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config = PretrainConfig(
        input=[str(path)], global_batch_size=8, micro_batch_size=4, max_steps=5, layout=layout,
        learning_rate=1e-3, model=shape,
    )  # fmt: skip
    results = [
        pretrain(replace(config, output=str(tmp_path / name)), registry.get(name))
        for name in ("cpu", "cuda")
    ]
    assert results[0].train["loss"] == pytest.approx(results[1].train["loss"], rel=1e-3)


def test_what_cannot_be_compiled_is_said():
    """Attention kernels for constant totals take half precision only."""
    adapter, compiled = CudaAdapter(), CudaOptions(compile=True)
    for precision, layout, count in (
        ("fp32", "unpadded", 1), ("bf16", "unpadded", 0), ("fp32", "padded", 0),
    ):  # fmt: skip
        plan = StepPlan(precision, layout, options=compiled)
        problems = adapter.validate(plan, OptimizerSpec())
        assert [item.flag for item in problems] == ["--compile"] * count
    assert (
        adapter.validate(StepPlan("fp32", "unpadded", options=CudaOptions()), OptimizerSpec()) == []
    )
