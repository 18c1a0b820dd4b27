"""Fixtures of the tests of other systems' configuration files."""

from __future__ import annotations

import json

import pytest
from tasks.pretraining.conftest import records

from bertkit.configuration.config import Layer, resolve
from bertkit.external_configs.detect import translate_file
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.registry import FINETUNING
from bertkit.tasks.squad.config import SquadConfig

__all__ = ["read", "records", "vendor"]

_NEEDED = {
    "pretrain": (PretrainConfig, {"input": ["x"], "output": "out"}),
    "finetune-squad": (SquadConfig, {"train_file": "x", "init_checkpoint": "y", "output": "out"}),
    "finetune": (
        FinetuneConfig,
        {"eval_file": ["z"], "predict_file": ["w"], "init_checkpoint": "y", "output": "out"},
    ),
}


def kinds():
    """The classes of settings of `finetune`, by task."""
    return {row.name: row.config_class() for row in FINETUNING}


def _taken(name, command):
    """A file's translation, its settings as the command takes them, and where each is from."""
    found = translate_file(name, command)
    kind, needed = _NEEDED[command]
    values = found.all_values()
    if command == "finetune":
        kind = kinds()[values["task"]]
        needed = {"train_file": "x", **needed}
        needed = {name: value for name, value in needed.items() if name not in values}
    resolved = resolve(kind, [*found.layers(), Layer("--set", needed)])
    found.require_given(resolved.origins)
    return found, resolved.config, resolved.origins


@pytest.fixture
def read(tmp_path):
    """Translate a file's text, and take its settings as `pretrain --config` does."""

    def run(text, name="config", preset="", command="pretrain"):
        place = tmp_path / name
        place.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        found, config, _ = _taken(f"{place}{preset}", command)
        return found, config

    return run


@pytest.fixture
def vendor(shared, monkeypatch):
    """The same of a file in `data/vendor_configs`, and the origin of every setting."""
    for name in ("WORLD_SIZE", "DATASETS_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(name, command="pretrain"):
        return _taken(f"{shared}/data/vendor_configs/{name}", command)

    return run
