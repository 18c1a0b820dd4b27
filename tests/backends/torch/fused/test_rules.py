"""Which runs are refused the kernels of fused layers, and products in 8 bits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.fused import rules as fused_rules
from bertkit.backends.torch.fused import trial as fused_trial
from bertkit.backends.torch.options import CudaOptions
from bertkit.errors import BertkitError
from bertkit.model.config import BertConfig
from bertkit.model.fused import dispatch

SMALL = BertConfig(
    vocab_size=90, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=256, max_position_embeddings=32,
)  # fmt: skip


def test_fused_layers_are_for_bf16():
    plan = StepPlan("fp32", options=CudaOptions(fused=True))
    (problem,) = CudaAdapter().validate(plan, OptimizerSpec())
    assert problem.flag == "cuda.fused" and "--precision bf16" in problem.text
    assert CudaAdapter().validate(replace(plan, precision="bf16"), OptimizerSpec()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": replace(SMALL, num_attention_heads=16)}, "heads of 8 numbers"),
        ({"model": replace(SMALL, hidden_act="relu")}, "hidden_act relu"),
        ({"layout": "padded", "masks": True}, "has no kernels for the masks"),
        ({"layout": "padded"}, None),
        ({"model": SMALL}, None),
    ],
)
def test_what_cannot_be_fused_is_said_and_not_computed_otherwise(changed, said):
    plan = replace(StepPlan("bf16", options=CudaOptions(fused=True)), **changed)
    texts = [problem.text for problem in CudaAdapter().validate(plan, OptimizerSpec())]
    assert said in texts[0] if said else not texts


def test_a_gpu_without_kernels_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("bertkit.backends.torch.fused.rules.gpu_has_kernels", lambda: False)
    plan = StepPlan("bf16", options=CudaOptions(fused=True))
    (problem,) = CudaAdapter().validate(plan, OptimizerSpec())
    assert "Ampere" in problem.text


EIGHT = StepPlan("bf16", options=CudaOptions(fused=True, fp8=True), model=SMALL)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"options": CudaOptions(fused=False, fp8=True)}, "cuda.fp8 goes with cuda.fused"),
        ({"model": replace(SMALL, intermediate_size=250)}, "multiple of 16"),
        ({"options": CudaOptions(fp8=True)}, None),
        (
            {"options": CudaOptions(fp8=True), "layout": "padded", "masks": True},
            "cuda.fp8 has no kernels for the masks that layers get with --layout padded; leave one",
        ),
        ({"precision": "fp16"}, "cuda.fp8 is for --precision bf16"),
        (
            {"options": CudaOptions(fp8=True), "precision": "fp16"},
            "cuda.fp8 is for --precision bf16",
        ),
        (
            {"model": replace(SMALL, hidden_act="relu")},
            "cuda.fp8 has no kernels for hidden_act relu",
        ),
    ],
)
def test_what_cannot_be_multiplied_in_8_bits_is_said(changed, said):
    problems = CudaAdapter().validate(replace(EIGHT, **changed), OptimizerSpec())
    assert len(problems) == (said is not None)
    assert said is None or said in problems[0].text


@pytest.mark.parametrize(("capability", "fits"), [((8, 6), False), ((8, 9), True), ((9, 0), True)])
def test_a_gpu_without_units_for_8_bits_is_named(monkeypatch, capability, fits):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    for module in (fused_rules, dispatch):
        monkeypatch.setattr(module, "gpu_has_kernels", lambda: True)
    problems = CudaAdapter().validate(EIGHT, OptimizerSpec())
    assert [problem.flag for problem in problems] == ([] if fits else ["cuda.fp8"])


def test_8_bits_bring_the_kernels_along_without_a_trial(monkeypatch):
    adapter = CudaAdapter()
    monkeypatch.setattr(adapter, "_choose_fused", lambda *_: pytest.fail("tried"))
    size = RunSize(10, 1e30, 4096, 32, "bf16", SMALL)
    settled = adapter.settled_options(CudaOptions(fp8=True), size)
    assert settled.fused and settled.fp8
    assert not adapter.settled_options(CudaOptions(fp8=True, fused=False), size).fused


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (lambda: None, None),
        (lambda: "the result is 0.3 off", "on this GPU the result is 0.3 off"),
        (lambda: exec("raise RuntimeError('no such units\\nadvice')"), "no such units"),
    ],
)
def test_a_run_begins_with_a_check_of_its_products(monkeypatch, found, said):
    asked = []

    def checked(layer, layout):
        asked.append((layer.fp8, len(layer.output.dense.weight)))
        return found()

    monkeypatch.setattr(fused_trial, "what_is_wrong_with", checked)
    if said is None:
        fused_rules.require_fp8(SMALL, torch.device("cpu"))
    else:
        with pytest.raises(BertkitError, match=said) as caught:
            fused_rules.require_fp8(SMALL, torch.device("cpu"))
        assert "leave out cuda.fp8" in caught.value.hint
        assert "advice" not in str(caught.value)
    assert asked == [(True, 128)]
