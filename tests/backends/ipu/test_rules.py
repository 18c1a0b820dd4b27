"""What the IPU adapter refuses before anything is compiled; needs no engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.ipu.adapter import IpuAdapter
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import make_pipeline
from bertkit.backends.ipu.rules import accumulation
from bertkit.model.config import BertConfig

# Graphcore's placement of BERT-large: 24 layers on four IPUs, the heads back on the first.
LARGE = IpuOptions(
    replicas=4, layers_per_ipu=[3, 7, 7, 7], memory_proportion=[0.15, 0.15, 0.15, 0.15],
    embedding_serialization=2,
)  # fmt: skip
STAGES = ["emb hid hid hid", *["hid " * 7] * 3, "enc_out pool heads"]
SHAPE = BertConfig(vocab_size=30522, hidden_size=1024, num_hidden_layers=24,
                   num_attention_heads=16, intermediate_size=4096)  # fmt: skip


def problems(options=LARGE, spec=None, shape=None, **changes):
    sizes = shape or StepShape(8, 8160, 128, 20)
    values = {"precision": "fp16", "loss_scale": 4096.0, "max_grad_norm": 0.0, **changes}
    plan = StepPlan(layout="padded", shape=sizes, model=SHAPE, options=options)
    found = IpuAdapter().validate(replace(plan, **values), spec or OptimizerSpec("graphcore"))
    return [(problem.flag, problem.text) for problem in found]


def test_graphcores_own_placements_pass():
    assert problems() == []
    # Their TensorFlow 2 file of v2.4: 8 sequences x 4 replicas x 2040 micro-batches.
    form = replace(
        LARGE, layers_per_ipu=[], pipeline_stages=STAGES, device_mapping=[0, 1, 2, 3, 0],
    )  # fmt: skip
    assert accumulation(form, StepShape(8, 8160, 128, 20)) == 2040
    assert problems(form) == []
    assert make_pipeline(form, 24) == make_pipeline(LARGE, 24)
    assert problems(IpuOptions(), OptimizerSpec(), max_grad_norm=1.0) == []


FORM = replace(LARGE, layers_per_ipu=[], pipeline_stages=STAGES, device_mapping=[0, 1, 2, 3, 0])


@pytest.mark.parametrize(
    ("options", "changes", "text"),
    [
        (replace(LARGE, replicas=3), {"shape": StepShape(8, 8160, 128, 20)}, "powers of two"),
        (replace(LARGE, replicas=3, auto_round=True), {}, None),
        (LARGE, {"shape": StepShape(8, 32, 128, 20)}, "8 micro-batches per replica and step do"),
        (LARGE, {"shape": StepShape(8, 36, 128, 20)}, None),
        (LARGE, {"shape": StepShape(8, 37, 128, 20)}, "cannot be divided over ipu.replicas 4"),
        (replace(LARGE, layers_per_ipu=[3, 7, 7, 6]), {}, "places 23 layers, the model has 24"),
        (replace(LARGE, ipus_per_replica=2), {}, "less than the 4 IPUs"),
        (replace(LARGE, memory_proportion=[0.1, 0.2]), {}, "2 numbers for 4 IPUs"),
        (replace(LARGE, memory_proportion=[0.0]), {}, "above 0 and at most 1"),
        (replace(LARGE, inference_device_iterations=4), {}, "less than the 5 pipeline stages"),
        (replace(LARGE, device_iterations=4), {}, "a call trains one step"),
        (replace(LARGE, embedding_serialization=4), {}, "does not divide model.vocab_size 30522"),
        (replace(IpuOptions(), replicated_tensor_sharding=True), {}, "more than one replica"),
        (replace(LARGE, replicated_tensor_sharding=True), {}, None),
        (replace(LARGE, packing_factor=1.2), {}, "needs --layout packed"),
        (replace(LARGE, simulator=True, compile_only=True), {}, "choose one"),
        (replace(LARGE, compile_only=True), {"training": False}, "trains nothing"),
        (LARGE, {"max_grad_norm": 1.0}, "LAMB cannot clip gradients; set it to 0"),
        (LARGE, {"max_grad_norm": 1.0, "spec": OptimizerSpec("adamw")}, None),
        (
            LARGE,
            {"clip": "before", "max_grad_norm": 1.0, "spec": OptimizerSpec("adamw")},
            "--clip after",
        ),
        (LARGE, {"clip": "before"}, None),  # nothing is clipped
        (LARGE, {"precision": "bf16"}, "--precision bf16 does not work on ipu; use fp32 or fp16"),
        (replace(LARGE, automatic_loss_scaling=True), {"precision": "fp32"}, "needs --precision"),
        (replace(LARGE, accumulation="fp32"), {"loss_scale": 0.0}, "give a constant --loss-scale"),
        (replace(LARGE, accumulation="fp32"), {}, None),
        # The TensorFlow 2 form.
        (FORM, {"shape": StepShape(8, 8164, 128, 20)}, "not a multiple of twice the 5 entries"),
        (LARGE, {"shape": StepShape(8, 8164, 128, 20)}, None),
        (replace(FORM, replicated_tensor_sharding=True), {}, None),
        (replace(FORM, replicated_tensor_sharding=True, optimizer_state_offchip=False), {}, None),
        (replace(FORM, device_mapping=[0, 1, 2, 3]), {}, "4 entries for 5 pipeline stages"),
        (replace(FORM, device_mapping=[0, 1, 2, 3, 3]), {}, "share a matrix"),
        (replace(FORM, layers_per_ipu=[24]), {}, "exclude each other"),
        (replace(FORM, pipeline_stages=[*STAGES[:-1], "pool heads hid"]), {}, "25 times hid"),
        (replace(FORM, pipeline_stages=[*STAGES[:-1], "pool heds"]), {}, "unknown parts heds"),
        (replace(FORM, pipeline_stages=["hid emb heads", *STAGES[1:]]), {}, "in the last stage"),
        (replace(FORM, pipeline_stages=["hid hid hid", *STAGES[1:]]), {}, "emb must be in the"),
        (replace(FORM, pipeline_stages=["emb pool hid", *STAGES[1:]]), {}, "after the last hid"),
        (
            replace(FORM, pipeline_stages=[*STAGES[:-2], f"{STAGES[-2]} pool", "enc_out heads"]),
            {},
            None,
        ),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_done_is_told(options, changes, text):
    found = [message for _, message in problems(options, **changes)]
    if text is None:
        assert found == []
    else:
        assert any(text in message for message in found), found


def test_all_problems_come_at_once():
    options = replace(
        LARGE, replicas=3, device_iterations=2, memory_proportion=[2.0], embedding_serialization=4
    )
    flags = [
        flag
        for flag, _ in problems(
            options, OptimizerSpec("nvlamb"), precision="bf16", max_grad_norm=1.0, clip="before"
        )
    ]
    assert flags == [
        "--precision", "ipu.device_iterations", "--max-grad-norm", "--clip",
        "ipu.embedding_serialization", "ipu.memory_proportion", "ipu.replicas",
    ]  # fmt: skip


def test_what_only_evaluates_needs_no_accumulation():
    sizes = StepShape(32, 1, 128, 20)
    assert problems(shape=sizes, training=False) == []
    assert any("do not fill" in text or "divided" in text for _, text in problems(shape=sizes))
