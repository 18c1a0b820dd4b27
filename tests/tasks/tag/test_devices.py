"""Devices that compile, as stand-ins play them: the CPU's weights and tags, or one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from backends.cs.runs import package as cs_package
from backends.hpu import gaudi
from backends.ipu.copies import engine as ipu_engine
from safetensors.torch import load_file

from bertkit.backends.hpu import adapter as hpu_adapter


@pytest.fixture
def words(settings):
    """A command line of a small run in rows of one length, without its output."""
    return [
        "finetune", "--task", "tag", "--backend", "cpu", "--layout", "padded",
        "--train-file", settings["train_file"], "--eval-file", *settings["eval_file"],
        "--predict-file", *settings["eval_file"], "--init-checkpoint", settings["init_checkpoint"],
        "--msl", 12, "--gbs", 12, "--micro-batch-size", 2, "--max-steps", 3, "--lr", "0.1",
        "--optimizer", "sgd", "--predict-batch-size", 3, "--log-every", 1, "--max-grad-norm", 0,
        "--json",
    ]  # fmt: skip


def end_of(bertkit, words, place, *more):
    """(weights, predictions, scores) of a run."""
    run = bertkit(*words, "--output", place, *more)
    assert run.status == 0, run.err
    predicted = Path(run.result["predictions"][0]).read_text()
    return load_file(place / "step-0000003/model.safetensors"), predicted, run.result["scores"]


def require_same(one, other):
    for name, values in one[0].items():
        assert float((values - other[0][name]).abs().max()) < 1e-5, name
    assert one[1:] == other[1:]


def test_ipus_learn_and_predict_as_the_cpu_does(bertkit, words, tmp_path):
    theirs = end_of(bertkit, words, tmp_path / "cpu")
    words[words.index("cpu")] = "ipu"
    with ipu_engine():
        ours = end_of(bertkit, words, tmp_path / "ipu", "--set", "ipu.layers_per_ipu=[1]",
                      "--precision", "fp32")  # fmt: skip
    require_same(ours, theirs)


@pytest.mark.slow
def test_gaudis_learn_and_predict_as_the_cpu_does(bertkit, words, tmp_path, monkeypatch):
    theirs = end_of(bertkit, words, tmp_path / "cpu")
    words[words.index("cpu")] = "hpu"
    monkeypatch.setattr(hpu_adapter, "DEVICE_NODES", (__file__,))
    with gaudi.machine():
        ours = end_of(bertkit, words, tmp_path / "hpu", "--precision", "fp32")
    require_same(ours, theirs)


def test_cerebras_systems_refuse_it_in_one_line(bertkit, words, tmp_path, monkeypatch):
    words[words.index("cpu")] = "cs"
    monkeypatch.chdir(tmp_path)
    with cs_package():
        run = bertkit(*words, "--output", tmp_path / "cs", "--set", "cs.device=cpu")
    assert run.status == 3 and "there is no feature for tag_labels" in run.err
