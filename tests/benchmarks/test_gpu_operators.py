from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace

import pytest

LAYERS = 3


@pytest.fixture
def counted(benchmark_module, monkeypatch):
    """Counts a step of a small model; PyTorch's own check of devices is back afterwards."""
    adam = importlib.import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_device_dtype_check_for_fused", adam._device_dtype_check_for_fused)
    module, cases = benchmark_module("gpu_operators"), benchmark_module("cases")
    monkeypatch.setitem(cases.SHAPES, "test", (LAYERS, 32, 2))
    case = cases.Case("test", 128, 8, records=16)

    def count(precision="bf16", micro=0, optimizer="adamw", **changes):
        return module.counted(replace(case, **changes), precision, micro, optimizer)

    return count


def test_what_a_pass_computes_is_counted(counted):
    seen = counted()
    # Known of BERT: attention per layer; the products of a layer (query, key and value are one)
    # and of the heads: transform, vocabulary, pooler, pairs.
    assert seen.kernels["_flash_attention_forward"] == LAYERS
    assert seen.kernels["_flash_attention_backward"] == LAYERS
    assert seen.kernels["addmm"] == 4 * LAYERS + 4
    # Each product has two in the backward pass.
    assert seen.kernels["mm"] == 2 * seen.kernels["addmm"]
    assert seen.kernels["_fused_adamw_"] == 2, "parameters with and without decay"
    assert seen.from_host == 1
    assert not {"view", "t", "detach", "empty"} & seen.kernels.keys()


def test_passes_multiply_what_they_repeat_alone(counted):
    one, four = counted(), counted(micro=2)
    assert four.from_host == 4
    for name in ("_flash_attention_forward", "_flash_attention_backward", "addmm", "mm"):
        assert four.kernels[name] == 4 * one.kernels[name], name
    assert four.kernels["_fused_adamw_"] == one.kernels["_fused_adamw_"]


def test_dropout_and_precision_are_seen(counted):
    plain, exact = counted(dropout=0.0), counted(precision="fp32")
    assert plain.kernels["bernoulli_"] == 0
    # Embeddings, and twice in every layer.
    assert counted().kernels["bernoulli_"] == 1 + 2 * LAYERS
    assert exact.kernels["_efficient_attention_forward"] == LAYERS
    assert exact.kernels["_flash_attention_forward"] == 0


def test_the_program_prints_what_it_counted(counted, benchmark_module, monkeypatch, capsys):
    module = benchmark_module("gpu_operators")
    wanted = ["--case", "test", "--batch", "8", "--micro", "4", "--top", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu_operators.py", *wanted])
    module.main()
    row = json.loads(capsys.readouterr().out)
    seen = counted(micro=4)
    assert row["operators"] == sum(seen.kernels.values()) and row["copies from the host"] == 2
    assert list(row["most"].items()) == seen.kernels.most_common(2)
