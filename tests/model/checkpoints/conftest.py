"""Fixtures of the tests of checkpoint forms."""

from __future__ import annotations

import pytest


@pytest.fixture
def samples(shared):
    """Real TensorFlow checkpoints."""
    return shared / "data" / "checkpoints"
