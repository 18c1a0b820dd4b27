"""Which runs cannot be recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig

SHAPE = StepShape(micro_batch_size=8, accumulation=2, sequence_length=128, predictions=20)
MODEL = BertConfig(
    vocab_size=100, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=128, max_position_embeddings=128,
)  # fmt: skip
PLAN = StepPlan("bf16", shape=SHAPE, model=MODEL, options=CudaOptions(graphs=True))


def problems(optimizer=None, **changed):
    plan = replace(PLAN, **changed)
    return [item.text for item in CudaAdapter().validate(plan, optimizer or OptimizerSpec())]


@pytest.mark.parametrize("precision", ["bf16", "fp32", "tf32"])
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_pretraining_can_be_recorded(precision, layout):
    assert problems(precision=precision, layout=layout) == []
    assert problems(shape=replace(SHAPE, world=2), layout=layout) == []
    options = CudaOptions(graphs=True, compile=True, deterministic=True)
    assert problems(options=options) == []


@pytest.mark.parametrize("precision", ["bf16", "fp32", "tf32"])
def test_fine_tuning_can_be_recorded(precision):
    shape = replace(SHAPE, predictions=0)
    assert problems(precision=precision, shape=shape) == []
    # Attention with a mask has one shape, whatever the size of its heads.
    model = replace(MODEL, num_attention_heads=16)
    padded = {"layout": "padded", "masks": True, "shape": shape, "model": model}
    assert problems(precision=precision, **padded) == []
    assert len(problems(precision="bf16", shape=shape, model=model)) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"precision": "fp16"}, "fp16"),
        ({"recompute": True}, "--recompute"),
        (
            {
                "shape": replace(SHAPE, world=2),
                "options": CudaOptions(graphs=True, gradient_exchange="bf16"),
            },
            "cuda.gradient_exchange",
        ),
        ({"model": replace(MODEL, num_attention_heads=16)}, "multiple of 8"),
        ({"model": replace(MODEL, hidden_size=1056)}, "at most 256"),
    ],
)
def test_what_cannot_is_said(changed, said):
    (text,) = problems(**changed)
    assert text.startswith("cuda.graphs ") and said in text
    # Without it, nothing is wrong.
    options = replace(changed.get("options", PLAN.options), graphs=False)
    assert problems(**{**changed, "options": options}) == []


def test_what_is_not_recorded_or_padded_is_not_asked_for_in_vain():
    assert problems(training=False) == ["cuda.graphs is for training; leave it out"]
    totals = CudaOptions(totals=6)
    assert problems(options=totals) == []
    for layout in ("padded", "bucketed", "packed"):
        (text,) = problems(options=totals, layout=layout)
        assert text == f"cuda.totals is for --layout unpadded, not {layout}; leave it out"
    tunes = replace(SHAPE, predictions=0)
    assert problems(options=replace(totals, graphs=True), shape=tunes) == []
    (text,) = problems(options=totals, shape=tunes)
    assert text.startswith("cuda.totals needs cuda.graphs in fine-tuning")


def test_a_sharded_optimizer_is_not_recorded():
    spec = OptimizerSpec(shard=True)
    (text,) = problems(spec, shape=replace(SHAPE, world=2))
    assert "--shard-optimizer" in text
    assert problems(spec) == []
