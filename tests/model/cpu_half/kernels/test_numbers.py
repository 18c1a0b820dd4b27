from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from bertkit.kernels.jit import kernel
from bertkit.model.cpu_half.kernels import activation, numbers


@kernel
def all_narrow(values: np.ndarray, result: np.ndarray) -> None:
    for at in range(len(values)):
        result[at] = numbers.narrow(values[at])


@kernel
def all_wide(values: np.ndarray, result: np.ndarray) -> None:
    for at in range(len(values)):
        result[at] = numbers.wide(values[at])


@kernel
def all_exponentials(values: np.ndarray, result: np.ndarray) -> None:
    for at in range(len(values)):
        result[at] = numbers.exponential(values[at])


@kernel
def all_ordered(values: np.ndarray, result: np.ndarray) -> None:
    for at in range(len(values)):
        result[at] = numbers.of_ordered(numbers.ordered(values[at]))


@kernel
def all_drawn(places: np.ndarray, first: int, second: int, result: np.ndarray) -> None:
    for at in range(len(places)):
        result[at] = numbers.drawn(places[at], first, second)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_rounding_is_pytorchs():
    random = np.random.default_rng(1).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    ties = np.arange(0, 1 << 32, 1 << 15, dtype=np.uint64).astype(np.uint32)
    values = np.concatenate([random, ties]).view(np.float32)
    found = np.empty(len(values), np.uint16)
    all_narrow(values, found)
    expected = torch.from_numpy(values).bfloat16()
    known = ~np.isnan(values)
    assert np.array_equal(found[known], expected.view(torch.uint16).numpy()[known])
    assert torch.from_numpy(found).view(torch.bfloat16)[~known].isnan().all()
    back = np.empty(len(values), np.float32)
    all_wide(found, back)
    assert np.array_equal(back[known], expected.float().numpy()[known])


def test_exponentials():
    values = np.linspace(-87.0, 88.0, 100_001).astype(np.float32)
    found = np.empty_like(values)
    all_exponentials(values, found)
    np.testing.assert_allclose(found, np.exp(values.astype(np.float64)), rtol=1e-5)
    edges, found = np.array([-np.inf, -1e30, np.nan, 0.0], np.float32), np.empty(4, np.float32)
    all_exponentials(edges, found)
    assert np.isnan(found[2]) and found[3] == 1.0 and (found[:2] < 2e-38).all()


def test_ordered_numbers_keep_their_bits():
    values = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, 3e-40], np.float32)
    found = np.empty_like(values)
    all_ordered(values, found)
    assert np.array_equal(found.view(np.uint32), values.view(np.uint32))


def drawn(first: int, second: int, count: int = 1 << 18) -> np.ndarray:
    result = np.empty(count, np.uint32)
    all_drawn(np.arange(count, dtype=np.uint32), first, second, result)
    return result


@pytest.mark.parametrize("key", [(0, 0), (0x12345678, 0x9ABCDEF0), (0xFFFFFFFF, 123456)])
def test_random_numbers_are_even_and_independent(key):
    """Means and correlations within five deviations of what chance gives."""
    values = drawn(*key)
    assert values.max() < 1 << 16
    shares = values / 65536.0 - 0.5
    count = len(shares)
    assert abs(shares.mean()) < 5 * (1 / 12 / count) ** 0.5
    histogram = np.bincount(values >> 8, minlength=256)
    chi = ((histogram - count / 256) ** 2 / (count / 256)).sum()
    assert abs(chi - 255) < 5 * (2 * 255) ** 0.5
    others = [np.roll(shares, by) for by in (1, 2, 64, 128, 768)]
    random = np.random.default_rng(7)
    keys = [(key[0], int(random.integers(1 << 32))) for _ in range(8)]
    keys += [(int(random.integers(1 << 32)), key[1]) for _ in range(8)]
    others += [drawn(*other) / 65536.0 - 0.5 for other in keys]
    for other in others:
        assert abs((shares * other).mean() * 12) < 5 / count**0.5


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (activation.GELU, functional.gelu),
        (activation.GELU_TANH, lambda values: functional.gelu(values, approximate="tanh")),
        (activation.RELU, functional.relu),
    ],
)
def test_activations_of_every_bf16(kind, formula):
    """To half a step of bf16 and 5e-4 (twice what the polynomials are off), NaN as NaN."""
    words = np.arange(1 << 16, dtype=np.uint16)
    every = torch.from_numpy(words).view(torch.bfloat16).float()
    every[every.abs() > 1e18] = 1e18  # squares of more are infinite
    values = every.bfloat16()
    given = values.view(torch.uint16).numpy().reshape(-1, 512)
    bias, result = np.zeros(512, np.uint16), np.empty_like(given)
    blocks = len(given) // 64
    activation.activate(0, blocks, given, bias, kind, result)
    inputs = values.double().requires_grad_()
    expected = formula(inputs)
    expected.sum().backward()
    found = torch.from_numpy(result).view(torch.bfloat16).double().reshape(-1)
    known = ~values.isnan()
    assert found[~known].isnan().all()
    torch.testing.assert_close(found[known], expected.detach()[known], rtol=2**-8, atol=1e-4)
    ones = np.full_like(given, 0x3F80)
    back, across = np.empty_like(given), np.empty((512, 64 * blocks), np.uint16)
    sums = np.empty((blocks, 512), np.float32)
    activation.activate_back(0, blocks, ones, given, bias, kind, back, across, sums)
    assert np.array_equal(across.T, back)
    slopes = torch.from_numpy(back).view(torch.bfloat16).double().reshape(-1)
    torch.testing.assert_close(slopes[known], inputs.grad[known], rtol=2**-8, atol=5e-4)
