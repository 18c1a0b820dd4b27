"""The process group that poprun starts."""

from __future__ import annotations

import pytest

from bertkit.backends import registry
from bertkit.errors import ConfigError


def test_poprun_and_the_settings_must_agree(poptorch, monkeypatch):
    monkeypatch.setenv("POPDIST_NUM_INSTANCES", "2")
    monkeypatch.setenv("POPDIST_INSTANCE_INDEX", "0")
    monkeypatch.setenv("POPDIST_NUM_LOCAL_REPLICAS", "4")
    with pytest.raises(ConfigError, match=r"gives each process 4 replicas, ipu\.replicas is 1"):
        registry.get("ipu").start(distributed=True)
    monkeypatch.setenv("POPDIST_NUM_LOCAL_REPLICAS", "1")
    with pytest.raises(ConfigError, match="runs in one process, poprun started 2"):
        registry.get("ipu").start()
    monkeypatch.delenv("POPDIST_NUM_INSTANCES")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="not started by torchrun"):
        registry.get("ipu").start(distributed=True)
