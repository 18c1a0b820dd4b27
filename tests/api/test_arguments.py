"""Every form of settings that a function takes, and what it refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bertkit.api.arguments import path, paths, resolved
from bertkit.errors import ConfigError, UsageError
from bertkit.records.config import RecordsConfig
from bertkit.tasks.pretraining.config import PretrainConfig

OWN = {"input": ["a.tfrecord"], "output": "run"}


def test_inputs_are_one_name_or_several():
    assert paths("a") == paths(Path("a")) == paths(["a"]) == paths(iter([Path("a")])) == ["a"]
    assert path(Path("a/b")) == "a/b"
    for wrong in (3, io.BytesIO(b""), [b"a"], None):
        with pytest.raises(UsageError, match=r"expected (one path|a path or several), not"):
            paths(wrong)


@pytest.mark.parametrize(
    "config",
    [
        {"max_steps": 7, "model": {"hidden_size": 240}},
        {"max-steps": 7, "model.hidden_size": 240},
        PretrainConfig(max_steps=7, model=PretrainConfig().model.__class__(hidden_size=240)),
        "FILE",
    ],
)
def test_all_forms_of_settings_mean_the_same(config, tmp_path):
    if config == "FILE":
        config = tmp_path / "settings.yaml"
        config.write_text("max_steps: 7\nmodel:\n  hidden_size: 240\n")
    found = resolved(PretrainConfig, config, {"seed": 3}, OWN)
    assert (found.config.max_steps, found.config.model.hidden_size) == (7, 240)
    assert (found.config.seed, found.config.input) == (3, ["a.tfrecord"])
    # What nobody gave stays open: the vocabulary's size is that of the records.
    assert found.origins.keys() == {"max_steps", "model.hidden_size", "seed", "input", "output"}


def test_a_preset_counts_less_than_settings():
    found = resolved(PretrainConfig, {"max_steps": 7}, {}, OWN, preset="tiny").config
    assert (found.max_steps, found.model.hidden_size) == (7, 128)
    # Its micro-batch of 32 yields to a batch that 32 does not divide.
    assert resolved(PretrainConfig, None, {"global_batch_size": 40}, OWN, preset="tiny")


@pytest.mark.parametrize(
    ("config", "settings", "error", "message"),
    [
        (RecordsConfig(), {}, UsageError, "config is of RecordsConfig"),
        (7, {}, UsageError, "config is of int"),
        (None, {"max_stepz": 3}, ConfigError, "did you mean 'max_steps'"),
        ({"max_steps": "many"}, {}, ConfigError, "config: max_steps: expected a whole number"),
        (None, {"output": "x"}, UsageError, "output: an argument of its own"),
        ("no-such.yaml", {}, Exception, "no-such.yaml"),
    ],
)
def test_wrong_settings(config, settings, error, message):
    with pytest.raises(error, match=message):
        resolved(PretrainConfig, config, settings, OWN)


def test_a_preset_and_a_dataclass_contradict_each_other():
    with pytest.raises(UsageError, match="both say all settings"):
        resolved(PretrainConfig, PretrainConfig(), {}, OWN, preset="tiny")
