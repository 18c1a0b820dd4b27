"""Whether layers are fused: asked of a process once, kept, and safe from all that it does."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch import compiled
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.fused import choice as fused_choice
from bertkit.backends.torch.fused.choice import WORTH_TRYING, TrialError, case_of, choose_fused
from bertkit.backends.torch.options import CudaOptions
from bertkit.errors import BertkitError
from bertkit.model.config import BertConfig

SHAPE = BertConfig(
    vocab_size=50, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=256, max_position_embeddings=64,
)  # fmt: skip
LONG = RunSize(
    steps=10_000, operations=WORTH_TRYING, rows=5000, longest=128, precision="bf16", model=SHAPE
)


@pytest.fixture
def trial(monkeypatch, tmp_path, caplog):
    """A GPU whose trial is a program of the test; says what was decided, and how often it ran."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fused_choice, "gpu_has_kernels", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(__version__="3.6.0"))
    ran = tmp_path / "ran"

    def choose(program, size=LONG, compiled=True, dynamic=True, index=0):
        noted = f"import sys; open({str(ran)!r}, 'a').write(sys.argv[1] + chr(10))\n{program}"
        monkeypatch.setattr(fused_choice, "_STARTER", (sys.executable, "-c", noted))
        return choose_fused(size, compiled, dynamic, index)

    def lines():
        names = {logging.INFO: "", logging.WARNING: "warning: "}
        return "\n".join(f"{names[line.levelno]}{line.getMessage()}" for line in caplog.records)

    caplog.set_level(logging.INFO, "bertkit")
    choose.lines = lines
    choose.cases = lambda: [json.loads(line) for line in ran.read_text().splitlines()]
    choose.count = lambda: len(ran.read_text().splitlines()) if ran.exists() else 0
    return choose


def answers(wrong="", usual=2.0, fused=1.0):
    """A program that gives this answer."""
    answer = json.dumps({"wrong": wrong, "usual": usual, "fused": fused})
    return f"print('noise'); print({answer!r})"


def test_the_faster_way_is_taken_and_the_answer_kept(trial):
    assert trial(answers(usual=2.0, fused=1.5)) is True
    assert (
        "cuda.fused=true: on this GPU a layer takes 1.5 ms with it and 2 without" in trial.lines()
    )
    assert trial(answers(usual=1.0, fused=9.0)) is True, "nothing is tried twice"
    assert trial.count() == 1


@pytest.mark.parametrize("fused", [2.5, 1.99])
def test_what_is_hardly_faster_is_not_taken(trial, fused):
    assert trial(answers(usual=2.0, fused=fused)) is False
    assert "cuda.fused=false: on this GPU a layer takes" in trial.lines()


def test_kernels_that_are_wrong_are_not_taken_however_fast(trial):
    assert trial(answers(wrong="the result is 0.3 off", fused=0.1)) is False
    assert "warning: cuda.fused=false: on this GPU the result is 0.3 off" in trial.lines()
    assert trial(answers()) is False and trial.count() == 1


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("sys.exit('RuntimeError: an illegal memory access')", "RuntimeError: an illegal memory"),
        ("import os; os.abort()", "it ended with status -6"),
        ("pass", "it ended with status 0"),
        ("print('no answer')", "it wrote 'no answer'"),
        ("print('{\"speed\": 1}')", "it wrote '{\"speed\": 1}'"),
        ('print(\'{"usual": null, "fused": 1}\')', 'it wrote \'{"usual": null'),
        ('print(\'{"usual": 0, "fused": 0}\')', 'it wrote \'{"usual": 0'),
        ("import time; time.sleep(60)", "it took more than 1 seconds"),
    ],
)
def test_a_trial_that_fails_is_told_and_tried_again(trial, monkeypatch, program, said):
    monkeypatch.setattr(fused_choice, "_LIMIT", 1.0)
    assert trial(program) is False
    assert f"warning: cuda.fused=false: its trial on this GPU failed: {said}" in trial.lines()
    monkeypatch.setattr(fused_choice, "_LIMIT", 60.0)
    assert trial(answers()) is True


@pytest.mark.parametrize(
    "changed",
    [
        {"operations": WORTH_TRYING / 2},
        {"precision": "fp32"},
        {"precision": "fp16"},
        {"model": replace(SHAPE, hidden_act="relu")},
        {"model": replace(SHAPE, num_attention_heads=16)},
        {"before": {"fused": False}},
        {"before": {}},  # of a version that had no such kernels
    ],
)
def test_nothing_is_tried_where_it_is_clear(trial, changed):
    assert trial(answers(), replace(LONG, **changed)) is False
    assert trial.count() == 0 and not trial.lines()


def test_a_resumed_run_goes_on_as_it_began(trial):
    short = replace(LONG, operations=0.0, before={"fused": True})
    assert trial(answers(fused=9.0), short) is True and trial.count() == 0
    assert trial(answers(), replace(short, precision="fp32")) is False, (
        "there are no kernels for it"
    )


def test_a_dry_run_tries_nothing_and_knows_what_is_kept(trial):
    planned = replace(LONG, planned_only=True)
    assert trial(answers(), planned) is None and trial.count() == 0
    assert trial(answers()) is True
    assert trial(answers(), planned) is True and trial.count() == 1


def test_no_gpu_has_no_trial(trial, monkeypatch):
    monkeypatch.setattr(fused_choice, "gpu_has_kernels", lambda: False)
    assert trial(answers()) is False and trial.count() == 0
    planned = replace(LONG, planned_only=True)
    assert trial(answers(), planned) is False, "this GPU has no kernels"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert trial(answers(), planned) is None, "the run will have a GPU"
    assert trial(answers(), replace(planned, operations=0.0)) is False
    assert trial(answers(), replace(planned, before={"fused": True})) is True


def test_of_runs_that_begin_at_once_one_tries(trial):
    program = f"import time; time.sleep(1); {answers()}"
    found = []
    runs = [threading.Thread(target=lambda: found.append(trial(program))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert found == [True] * 3 and trial.count() == 1


def test_what_lies_in_the_current_folder_is_not_imported(monkeypatch, tmp_path):
    """The kernels that are tried are those that the run has."""
    (tmp_path / "bertkit").mkdir()
    (tmp_path / "bertkit/__init__.py").write_text("raise ImportError('of this folder')")
    (tmp_path / "json.py").write_text("raise ImportError('of this folder')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrialError, match="ValueError: invalid literal"):
        fused_choice._output_of("{}", "no number")


def test_other_sizes_versions_and_devices_are_tried_anew(trial, monkeypatch):
    calls = [
        {}, {"compiled": False}, {"dynamic": False}, {"index": 1},
        {"size": replace(LONG, model=replace(SHAPE, hidden_size=256))},
        {"size": replace(LONG, longest=64)},
        {"size": replace(LONG, model=replace(SHAPE, hidden_dropout_prob=0.0))},
        {"size": replace(LONG, model=replace(SHAPE, vocab_size=99))},
        {"size": replace(LONG, model=replace(SHAPE, type_vocab_size=3))},
    ]  # fmt: skip
    for number, call in enumerate(calls, 1):
        assert trial(answers(), **call) is True and trial.count() == number
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    assert trial(answers()) is True and trial.count() == len(calls) + 1
    monkeypatch.setattr(fused_choice, "_digest_of_kernels", lambda: "other program text")
    assert trial(answers()) is True and trial.count() == len(calls) + 2
    # What neither layers, embeddings nor the loss depend on.
    deeper = replace(SHAPE, num_hidden_layers=24)
    assert trial(answers(), replace(LONG, model=deeper, rows=4097, steps=5)) is True
    assert trial.count() == len(calls) + 2


def test_the_process_is_told_the_case(trial):
    trial(answers())
    assert trial.cases() == [
        {
            "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 256,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "rows": 4096, "longest": 128, "compiled": True, "dynamic": True,
            "vocab_size": 50, "max_position_embeddings": 64, "type_vocab_size": 2, "fp8": False,
        }
    ]  # fmt: skip


# As many as a pass of 64 sequences of Wikipedia at 512 tokens has are no half of it: in the time
# of so few the host starts no layer's kernels.
SIZES = [(0, 16), (1, 16), (100, 128), (16_267, 16_384), (16_384, 16_384), (10**6, 32_768)]


@pytest.mark.parametrize(("rows", "tried"), SIZES)
def test_passes_of_about_one_size_are_one_case(rows, tried):
    assert case_of(replace(LONG, rows=rows), True, True).rows == tried


def test_answers_that_are_damaged_or_cannot_be_kept_only_cost_time(trial, tmp_path):
    trial(answers())
    (kept,) = (tmp_path / "cache/bertkit/fused-layers").glob("*/answer.json")
    whole = json.loads(kept.read_text())
    damaged = ["{", "[]", json.dumps(whole | {"answer": {"usual": None, "fused": 1.0}})]
    for number, text in enumerate(damaged, 2):
        kept.write_text(text)
        assert trial(answers(fused=9.0)) is False and trial.count() == number
    shutil.rmtree(kept.parent)
    kept.parent.write_text("no folder")
    assert trial(answers()) is True and trial(answers()) is True and trial.count() == 6


def test_an_answer_that_the_disk_refuses_is_used_all_the_same(trial, monkeypatch):
    def full(path: Path, text: str) -> None:
        raise BertkitError(f"no space is left for {path}")

    monkeypatch.setattr(fused_choice, "write_text", full)
    assert trial(answers()) is True


@pytest.fixture
def chosen(monkeypatch):
    """What is asked about fused layers, each time answered with yes."""
    asked = []
    monkeypatch.setattr(compiled, "can_compile", lambda: True)
    monkeypatch.setattr(fused_choice, "choose_fused", lambda *given: asked.append(given) or True)
    return asked


@pytest.mark.parametrize(
    ("options", "steps", "asked"),
    [
        (CudaOptions(), 1000, (True, True)),
        (CudaOptions(), 999, (False, True)),
        (CudaOptions(compile=True, totals=3), 5, (True, False)),
        (CudaOptions(compile=False), 5000, (False, True)),
    ],
)
def test_what_is_left_open_follows_from_the_run_and_a_trial(chosen, options, steps, asked):
    size = replace(LONG, steps=steps)
    settled = CudaAdapter().settled_options(options, size)
    assert settled == replace(options, graphs=False, compile=asked[0], fused=True)
    assert chosen == [(size, *asked, 0)]


@pytest.mark.parametrize("began", [True, False])
def test_a_run_that_has_more_steps_now_is_compiled_as_it_began(chosen, began):
    size = replace(LONG, steps=1 if began else 10_000, before={"compile": began, "fused": False})
    assert CudaAdapter().settled_options(CudaOptions(), size).compile is began
    older = replace(LONG, before={})
    assert CudaAdapter().settled_options(CudaOptions(), older).compile is True


@pytest.mark.parametrize("given", [True, False])
def test_settings_that_are_given_stay_and_nothing_is_tried(chosen, given):
    options = CudaOptions(compile=given, fused=given, graphs=given)
    assert CudaAdapter().settled_options(options, LONG) == options
    assert not chosen


@pytest.mark.parametrize("rank", [0, 1])
def test_the_main_process_alone_tries_and_tells_the_others(chosen, rank):
    class Two(ProcessGroup):
        def gather(self, item):
            return [(False, None) if rank else item, item]

    adapter = CudaAdapter()
    adapter.process_group = Two(Topology(rank=rank, world=2, local_rank=rank))
    assert adapter.settled_options(CudaOptions(), LONG).fused == (rank == 0)
    assert len(chosen) == (rank == 0)
