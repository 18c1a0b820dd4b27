"""Fixtures of the tests of other systems' configuration files."""

from __future__ import annotations

import json

import pytest
from tasks.pretraining.conftest import records

from bertkit.config import Layer, resolve
from bertkit.external_configs.detect import translate_file
from bertkit.tasks.pretraining.config import PretrainConfig

__all__ = ["read", "records"]


@pytest.fixture
def read(tmp_path):
    """Translate a file's text, and take its settings as `pretrain --config` does."""

    def run(text, name="config", preset=""):
        place = tmp_path / name
        place.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        found = translate_file(f"{place}{preset}")
        config = resolve(
            PretrainConfig,
            [*found.layers(), Layer("--set", {"input": ["x"], "output": "out"})],
        ).config
        return found, config

    return run
