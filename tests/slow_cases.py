"""Marks cases of tests: `make test` takes the most telling ones, `make test-slow` the others."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """Cases for `make test-slow`: values, or tuples of several."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for case in cases
    ]
