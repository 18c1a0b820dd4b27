"""Devices that compile, as stand-ins play them: the CPU's weights and predictions, or one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from backends.cs.runs import package as cs_package
from backends.hpu import gaudi
from backends.ipu.copies import engine as ipu_engine
from safetensors.torch import load_file

from bertkit.backends.cs.features import features
from bertkit.backends.hpu import adapter as hpu_adapter
from bertkit.data.sample_feed import side_by_side
from bertkit.errors import ConfigError

SMALL = (
    "--layout", "padded", "--gbs", 12, "--micro-batch-size", 2, "--max-steps", 3, "--lr", "0.1",
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


@pytest.mark.parametrize("name", ["cuda.fp8", "cuda.fused"])
def test_kernels_that_no_layer_would_use_are_refused_without_a_gpu(bertkit, words, place, name):
    words[words.index("cpu")] = "cuda"
    asked = (*words, "-o", place / "run", "--precision", "bf16", "--dry-run")
    assert bertkit(*asked, "--set", f"{name}=true").status == 0
    assert bertkit(*asked, "--layout", "padded").status == 0
    refused = bertkit(*asked, "--set", f"{name}=true", "--layout", "padded")
    said = f"{name} has no kernels for the masks that layers get with --layout padded"
    assert refused.status == 3 and f"{said}; leave one of them out" in refused.err


def test_what_cannot_be_recorded_is_refused_without_a_gpu(bertkit, words, place):
    words[words.index("cpu")] = "cuda"
    asked = (*words, "-o", place / "run", "--dry-run", "--set", "cuda.graphs=true")
    assert bertkit(*asked).status == 0
    assert bertkit(*asked, "--layout", "padded").status == 0
    assert bertkit(*asked, "--set", "cuda.totals=4").status == 0
    for more, said in (
        (("--recompute",), "cuda.graphs does not go with --recompute"),
        (("--precision", "fp16"), "cuda.graphs does not go with fp16"),
        (("--layout", "padded", "--set", "cuda.totals=4"), "cuda.totals is for --layout unpadded"),
        (("--set", "cuda.graphs=false", "--set", "cuda.totals=4"), "cuda.totals needs cuda.graphs"),
    ):
        refused = bertkit(*asked, *more)
        assert refused.status == 3 and said in refused.err, refused.err


def test_ipus_learn_and_predict_as_the_cpu_does(bertkit, words, place):
    theirs = end_of(bertkit, words, place, "cpu")
    words[words.index("cpu")] = "ipu"
    with ipu_engine():
        ours = end_of(bertkit, words, place, "ipu", "--set", "ipu.layers_per_ipu=[1, 1]",
                      "--precision", "fp32")  # fmt: skip
    require_same(ours, theirs)


def test_cerebras_systems_learn_and_predict_as_the_cpu_does(bertkit, words, place, monkeypatch):
    theirs = end_of(bertkit, words, place, "cpu")
    words[words.index("cpu")] = "cs"
    monkeypatch.chdir(place)
    with cs_package():
        ours = end_of(bertkit, words, place, "cs", "--set", "cs.device=cpu")
        require_same(ours, theirs)
        refused = bertkit(*words, *SMALL, "--eval-every", 1, "-o", place / "refused", "--dry-run")
    assert refused.status == 3 and "--eval-every does not work on cs" in refused.err
    assert not (place / "refused").exists()


@pytest.mark.slow
def test_gaudis_learn_and_predict_as_the_cpu_does(bertkit, words, place, monkeypatch):
    theirs = end_of(bertkit, words, place, "cpu")
    words[words.index("cpu")] = "hpu"
    monkeypatch.setattr(hpu_adapter, "DEVICE_NODES", (__file__,))
    with gaudi.machine():
        ours = end_of(bertkit, words, place, "hpu", "--precision", "fp32", "--eval-every", 2,
                      "--no-keep-best")  # fmt: skip
    require_same(ours, theirs)


def test_inputs_without_a_feature_are_refused_on_cerebras_systems():
    batch = side_by_side([np.arange(4)], [np.zeros(4, np.int64)], 8)
    batch.arrays["word_labels"] = np.zeros(8, np.int64)
    with pytest.raises(ConfigError, match="there is no feature for word_labels"):
        features(batch, 8)
