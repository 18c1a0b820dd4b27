"""A trial of fused layers: what is tried, and what is made of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from bertkit.backends.torch.fused import trial as fused_trial
from bertkit.backends.torch.fused.trial import Answer, Case, Way, milliseconds, tried

CASE = Case(
    hidden_size=32, num_attention_heads=2, intermediate_size=64, hidden_act="gelu",
    hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, rows=64, longest=16,
    compiled=False, dynamic=True,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.mark.parametrize(("rows", "longest"), [(64, 16), (16_384, 512), (16_384, 128), (16, 512)])
def test_sequences_of_many_lengths_have_about_as_many_rows(rows, longest):
    layout = replace(CASE, rows=rows, longest=longest).layout()
    assert max(layout.lengths) == longest
    assert len(set(layout.lengths)) == len(layout.lengths) or longest < len(layout.lengths)
    assert rows * 0.8 < layout.rows < rows * 1.25 or layout.rows == longest


def test_other_lengths_are_checked_too():
    lengths = replace(CASE, longest=512).odd_layout().lengths
    assert {0, 1, 511, 512} < set(lengths)
    assert max(replace(CASE, longest=16).odd_layout().lengths) == 16


def test_the_embeddings_have_the_sizes_and_rate_of_the_run():
    case = replace(
        CASE, vocab_size=90, max_position_embeddings=33, type_vocab_size=3, hidden_dropout_prob=0.2
    )
    embeddings = case.embeddings(CPU)
    assert [tuple(weight.shape) for weight in embeddings.parameters()] == [
        *((90, 32), (33, 32), (3, 32)),
        *((32,), (32,)),
    ]
    assert embeddings.rate == 0.2


def test_the_layer_has_the_sizes_and_rates_of_the_run():
    layer = replace(CASE, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3).layer()
    assert layer.intermediate.dense.weight.shape == (64, 32)
    assert (layer.output.rate, layer.attention.self.rate) == (0.2, 0.3)
    assert layer.attention.self.heads == 2 and layer.intermediate.kind == "gelu"


@pytest.fixture
def kernels(monkeypatch):
    """Layers whose fused form is PyTorch's, since no kernel runs on a CPU; what was called."""
    pytest.importorskip("triton", reason="Triton is only made for Linux")
    from bertkit.model.fused.checks import embedding_check, layer_check, loss_check
    from bertkit.train.optimization import update_check

    called = []
    monkeypatch.setattr(
        update_check, "what_is_wrong", lambda device, kind: called.append(f"update in {kind}")
    )
    monkeypatch.setattr(layer_check, "what_is_wrong", lambda *given: called.append("check"))
    monkeypatch.setattr(
        loss_check, "what_is_wrong", lambda words, *given: called.append(f"{words} words")
    )

    def embeddings_wrong(embeddings, kind):
        called.append([len(table) for table in embeddings.tables()])

    monkeypatch.setattr(embedding_check, "what_is_wrong", embeddings_wrong)

    def fused(layer, rows, layout, keep):
        called.append("training" if layer.training else "evaluating")
        return layer(rows, layout, keep)

    monkeypatch.setattr(fused_trial, "run_fused", fused)
    monkeypatch.setattr(
        fused_trial, "compile_parts", lambda layer, dynamic: called.append(f"dynamic={dynamic}")
    )
    return called


@pytest.mark.parametrize("dynamic", [True, False])
def test_both_ways_are_timed_with_dropout(kernels, dynamic):
    answer = tried(replace(CASE, compiled=True, dynamic=dynamic), CPU, torch.float32)
    assert not answer.wrong and answer.usual > 0 and answer.fused > 0
    sizes = [30522, 512, 2]
    checks = ["check", "check", "30528 words", sizes, "update in torch.float32"]
    assert kernels[:6] == [*checks, f"dynamic={dynamic}"]
    assert kernels[6:] == ["training"] * (2 + 4 * 10)


def test_updates_that_are_wrong_do_not_count_against_layers(kernels, monkeypatch):
    """Runs ask for themselves; but what crashes there, crashes here first."""
    target = "bertkit.train.optimization.update_check.what_is_wrong"
    monkeypatch.setattr(target, lambda *given: "a weight is 3 off")
    assert not tried(CASE, CPU, torch.float32).wrong
    monkeypatch.setattr(target, lambda *given: {}["no such instruction"])
    with pytest.raises(KeyError):
        tried(CASE, CPU, torch.float32)


@pytest.mark.parametrize("part", ["layer_check", "loss_check", "embedding_check"])
def test_what_is_wrong_is_not_timed(kernels, monkeypatch, part):
    target = f"bertkit.model.fused.checks.{part}.what_is_wrong"
    monkeypatch.setattr(target, lambda *given: "rows are 3 off")
    assert tried(CASE, CPU, torch.float32) == Answer("rows are 3 off", 0.0, 0.0)
    assert "training" not in kernels and "evaluating" not in kernels


def test_what_the_first_passes_compile_is_not_counted(monkeypatch):
    layer, layout = CASE.layer().train(), CASE.layout()
    rows = torch.randn(layout.rows, 32)
    now, called = [0.0], []
    # Seconds of each round, the first of which is for compilers.
    taken = {"one": iter([900, 5, 3, 2, 4]), "other": iter([10, 7, 8, 9, 6])}

    def way(name):
        def call(rows):
            if not called or called[-1] != name:
                now[0] += next(taken[name])
            called.append(name)
            return layer(rows, layout)

        return Way(layer, call)

    monkeypatch.setattr(fused_trial, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    found = milliseconds((way("one"), way("other")), rows)
    assert found == [200.0, 600.0], "of one pass of the best round"
    assert called[:24] == ["one"] * 2 + ["other"] * 2 + ["one"] * 10 + ["other"] * 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("compiled", [False, True])
def test_fused_layers_are_right_on_this_gpu(compiled):
    case = replace(
        CASE, hidden_size=768, num_attention_heads=12, intermediate_size=3072, rows=4096,
        longest=128, compiled=compiled,
    )  # fmt: skip
    process = subprocess.run(
        [sys.executable, "-m", "bertkit.backends.torch.fused.trial", json.dumps(asdict(case)), "0"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    answer = Answer(**json.loads(process.stdout.splitlines()[-1]))
    assert answer.wrong == "" and answer.usual > 0 and answer.fused > 0
