"""The kernels' random stream against `random.Random`, draw by draw."""

from __future__ import annotations

import random

import numba
import numpy as np
import pytest

from bertkit.kernels import mersenne


@numba.njit
def draws(stream, kinds, limits, thresholds):
    out = np.empty(len(kinds), np.uint64)
    for k in range(len(kinds)):
        if kinds[k] == 0:
            out[k] = mersenne.below(stream, limits[k])
        elif kinds[k] == 1:
            out[k] = mersenne.random53(stream)
        else:
            out[k] = mersenne.random53(stream) < thresholds[k]
    return out


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**40, 2**700 + 3])
def test_mixed_draws(seed):
    generator = np.random.default_rng(5)
    count = 20_000
    kinds = generator.integers(0, 3, count)
    limits = np.maximum(1, 2 ** generator.uniform(0, 31.9, count)).astype(np.int64)
    limits[::7] = 1
    chances = generator.choice([0.0, 0.1, 0.15, 0.5, 0.8, 1.0, 1 / 3], count)
    thresholds = np.array([mersenne.threshold(chance) for chance in chances])
    found = draws(mersenne.stream(seed), kinds, limits, thresholds)
    rng = random.Random(seed)
    for k in range(count):
        if kinds[k] == 0:
            expected = rng.randint(0, int(limits[k]) - 1)
        elif kinds[k] == 1:
            expected = int(rng.random() * 2**53)
        else:
            expected = rng.random() < chances[k]
        assert found[k] == expected


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 1000, 40_000])
def test_shuffles_from_any_position(count):
    rng = random.Random(9)
    for used in (0, 1, 623, 624, 1000):
        for _ in range(used):
            rng.getrandbits(32)
        items = np.arange(count, dtype=np.int32)
        source = mersenne.stream_of(rng)
        mersenne.shuffle(source, items)
        expected = list(range(count))
        rng.shuffle(expected)
        assert items.tolist() == expected
        assert int(mersenne.next_word(source)) == rng.getrandbits(32)


def test_threshold_is_exact_at_the_border():
    for probability in (0.1, 0.15, 0.5, 0.8, 0.3):
        border = int(mersenne.threshold(probability))
        assert (border - 1) / 2**53 < probability <= border / 2**53
