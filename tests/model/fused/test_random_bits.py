"""The masks of dropout look like those of independent coins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model.fused.formulas import factors

from bertkit.model.fused.random_bits import draw_seeds, keep_threshold

LINES = 1024


def mask(rate: float, seed: tuple[int, int], first: int = 70_000) -> np.ndarray:
    """What dropout of this rate leaves, less what it leaves on average."""
    numbers = np.arange(LINES)
    return (factors(numbers + first, numbers + 300, rate, seed).numpy() > 0) - (1.0 - rate)


def deviations(products: np.ndarray, rate: float) -> float:
    """The mean of products of two independent elements, in its standard deviations."""
    return float(products.sum()) / (rate * (1 - rate) * products.size**0.5)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9, 0.99])
def test_as_many_elements_stay_as_wanted(rate):
    found = mask(rate, (1, 2))
    spread = (rate * (1 - rate)) ** 0.5
    assert abs(float(found.mean())) < 4 * spread / LINES
    for along in (0, 1):  # no line stands out: sums of lines vary as those of coins
        square = float((found.sum(along) ** 2).mean()) / LINES / spread**2
        assert abs(square - 1) < 4 * (2 / LINES) ** 0.5


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_elements_know_nothing_of_their_neighbours(rate):
    for found in (mask(rate, (1, 2)), mask(rate, (2**31 - 1, 0))):
        for apart in (1, 2, 12, 16):  # 12 or 16 rows apart is the same head
            assert abs(deviations(found[apart:] * found[:-apart], rate)) < 4
            assert abs(deviations(found[:, apart:] * found[:, :-apart], rate)) < 4
        # No rectangle of four elements is decided by the other three.
        four = found[1:, 1:] * found[:-1, 1:] * found[1:, :-1] * found[:-1, :-1]
        assert abs(float(four.sum())) / (rate * (1 - rate)) ** 2 / four.size**0.5 < 4


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_no_two_lines_are_alike(rate):
    """Of half a million pairs. With one step of mixing less the mean is 1.07 and more."""
    for lines in (mask(rate, (1, 2)), mask(rate, (1, 2)).T):
        alike = lines @ lines.T / (rate * (1 - rate) * LINES)
        square = float((alike[np.triu_indices(LINES, 1)] ** 2).mean()) * LINES
        assert abs(square - 1) < 0.03


def test_masks_of_seeds_that_are_near_each_other():
    for other in ((2, 2), (1, 3), (2, 1), (2, 3)):
        assert abs(deviations(mask(0.1, (1, 2)) * mask(0.1, other), 0.1)) < 4


def test_seeds_come_from_the_generator_of_their_device_alone(device):
    torch.manual_seed(1)
    one, other = draw_seeds(3, device), draw_seeds(3, device)
    torch.manual_seed(1)
    assert torch.equal(draw_seeds(3, device), one)
    both = torch.cat([one, other])
    assert both.device.type == device.type and both.dtype == torch.int32
    assert len(both.unique()) == 24 and int(both.min()) >= 0
    assert all(seed.data_ptr() % 16 == 0 for seed in one)


def test_thresholds_are_words_of_32_bits():
    for rate in (0.0, 1e-12, 0.1, 0.5, 0.9, 1 - 1e-12):
        assert -(2**31) <= keep_threshold(rate) < 2**31
    assert keep_threshold(0.5) == 0
