"""Devices that compile, as stand-ins play them: the CPU's weights and predictions, or one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

FAKES = Path(__file__).parents[2] / "backends/fakes"
SMALL = (
    "--layout", "padded", "--gbs", 4, "--micro-batch-size", 2, "--max-steps", 3, "--lr", "0.1",
    "--optimizer", "sgd", "--predict-batch-size", 3, "--log-every", 1, "--max-grad-norm", 0,
)  # fmt: skip


def end_of(bertkit, words, place, name, *more):
    """(weights, predictions) of a run on a backend."""
    run = bertkit(
        *words, *SMALL, "--predict-file", place / "dev.tsv", "--output", place / name, *more
    )
    assert run.status == 0, run.err
    lines = [json.loads(line) for line in (place / name / "predictions.jsonl").open()]
    return load_file(place / name / "step-0000003/model.safetensors"), lines


def require_same(one, other):
    for name, values in one[0].items():
        assert float((values - other[0][name]).abs().max()) < 1e-5, name
    assert len(one[1]) == len(other[1])
    for mine, theirs in zip(one[1], other[1], strict=True):
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-5)


@pytest.fixture
def fakes(monkeypatch):
    """The stand-ins of the vendors' packages can be imported."""
    monkeypatch.syspath_prepend(str(FAKES))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in {"poptorch", "popdist"}]:
        sys.modules.pop(name)


def test_ipu(bertkit, words, place, fakes):
    words = [word if word != "cpu" else "ipu" for word in words]
    ours = end_of(bertkit, words, place, "ipu", "--set", "ipu.layers_per_ipu=[1, 1]",
                  "--precision", "fp32", "--set", "ipu.replicas=1")  # fmt: skip
    words[words.index("ipu")] = "cpu"
    require_same(ours, end_of(bertkit, words, place, "cpu"))
