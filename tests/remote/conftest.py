"""A cache of its own for every test of remote files."""

from __future__ import annotations

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder where copies lie."""
    # Compiled kernels stay where they are.
    monkeypatch.setattr("bertkit.remote.facts.cache_folder", lambda: tmp_path / "cache/bertkit")
    return tmp_path / "cache/bertkit/remote"
