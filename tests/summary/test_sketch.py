"""Repeats, exact up to a limit and sampled beyond it."""

from __future__ import annotations

import random

import pytest

from bertkit.summary import sketch
from bertkit.summary.sketch import level_for, of_counts


def test_exact_and_sampled(monkeypatch):
    draw = random.Random(1)
    hashes = {draw.getrandbits(64) | 1: 1 + number % 3 for number in range(6000)}
    exact = of_counts(hashes)
    assert exact.exact and exact.repeated_share == pytest.approx(0.5)
    monkeypatch.setattr(sketch, "LIMIT", 1000)
    sample = of_counts(hashes)
    assert not sample.exact and len(sample.keys) <= 1000
    assert sample.repeated_share == pytest.approx(0.5, abs=0.05)
    halves = [dict(list(hashes.items())[at::2]) for at in (0, 1)]
    together = of_counts(halves[0]) + of_counts(halves[1])
    assert together.level == sample.level
    assert together.keys.tolist() == sample.keys.tolist()
    assert of_counts({}).repeated_share == 0


def test_level_to_begin_with():
    assert level_for(0) == level_for(60_000_000) == 0
    assert level_for(10**12) > 10
