"""Rows in 8 bits and their products against PyTorch's own conversions and matrix products."""

from __future__ import annotations

import math

import pytest
import torch

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.config import BertConfig
from bertkit.model.fused import fp8, rows
from bertkit.model.fused.checks.reference import reference_layer
from bertkit.model.fused.dispatch import run_fused
from bertkit.model.fused.fp8 import Fp8Rows
from bertkit.model.fused.random_bits import draw_seeds

SHAPE = BertConfig(
    vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=64,
)  # fmt: skip
# PyTorch 2.11 multiplies in 8 bits on GPUs alone.
_KEY = "CUDA" if torch.cuda.is_available() else "CPU"
multiplies = pytest.mark.skipif(
    not torch._C._dispatch_has_kernel_for_dispatch_key("aten::_scaled_mm_v2", _KEY),
    reason=f"torch {torch.__version__} has no products in 8 bits on this device",
)


def values(found: Fp8Rows) -> torch.Tensor:
    return found.values.float() * found.scales


def powers(scales: torch.Tensor) -> torch.Tensor:
    """Exponents of scales, which have to be powers of 2."""
    shares, exponents = torch.frexp(scales)
    assert (shares == 0.5).all()
    return exponents - 1


@pytest.fixture
def matrix(device, kind) -> torch.Tensor:
    """Rows of very different sizes, one of zeros, one that ends at the largest number."""
    torch.manual_seed(2)
    made = torch.randn(37, 80) * torch.logspace(-4, 4, 37)[:, None]
    made[3], made[5] = 0, torch.linspace(-448, 448, 80)
    return made.to(device, kind)


def test_each_row_is_rounded_to_the_nearest_numbers_of_a_scale_of_its_own(matrix):
    found = fp8.to_fp8(matrix)
    largest = matrix.float().abs().amax(1, keepdim=True)
    exponents = powers(found.scales)
    assert (largest <= 448 * found.scales).all() and exponents[5] == 0
    tight = largest > 448 * torch.ldexp(torch.ones_like(largest), exponents - 1)
    assert tight[largest > 0].all()  # half the scale would be too little
    nearest = (matrix.float() / found.scales).to(torch.float8_e4m3fn)
    assert torch.equal(found.values.float(), nearest.float())
    assert not found.values[3].float().any()


def test_a_transposed_matrix_has_one_scale(matrix):
    found = fp8.transposed_to_fp8(matrix)
    assert found.values.shape == (80, 37) and found.values.is_contiguous()
    scale = fp8.to_fp8(matrix).scales.max()
    assert (found.scales == scale).all()
    nearest = (matrix.float() / scale).to(torch.float8_e4m3fn).float()
    assert torch.equal(found.values.float(), nearest.t())


@multiplies
@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_stays_so(device, wrong):
    matrix = torch.ones(3, 32, device=device)
    matrix[1, 7] = wrong
    weight = torch.randn(16, 32, device=device)
    found = fp8.fp8_product(fp8.to_fp8(matrix), fp8.to_fp8(weight), torch.bfloat16)
    assert found.isfinite().all(1).tolist() == [True, False, True]


@multiplies
@pytest.mark.parametrize("count", [0, 1, 33])
def test_products_are_those_of_the_rounded_numbers(device, count):
    left, weight = torch.randn(count, 48, device=device), torch.randn(16, 48, device=device)
    bias = torch.randn(16, device=device).bfloat16()
    one, other = fp8.to_fp8(left), fp8.to_fp8(weight)
    found = fp8.fp8_product(one, other, torch.bfloat16, bias)
    right = values(one) @ values(other).t() + bias.float()
    torch.testing.assert_close(found.float(), right, rtol=1e-2, atol=1e-2)
    back = fp8.transposed_to_fp8(weight)
    again = fp8.fp8_product(fp8.to_fp8(found.contiguous()), back, torch.bfloat16)
    assert again.shape == (count, 48)


def same(found: Fp8Rows, matrix: torch.Tensor) -> None:
    """What a kernel writes on the way is what comes of the rows that it writes beside it."""
    right = fp8.to_fp8(matrix)
    assert torch.equal(found.values.view(torch.uint8), right.values.view(torch.uint8))
    assert torch.equal(found.scales, right.scales)


@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("width", [96, pytest.param(256, marks=pytest.mark.slow)])
def test_norms_write_their_rows_in_8_bits_too(device, kind, rate, width):
    drop = rows.Dropout(rate, draw_seeds(1, device)[0])
    projected, residual, given, added = (torch.randn(9, width).to(device, kind) for _ in range(4))
    bias, gain, shift = (torch.randn(width).to(device, kind) for _ in range(3))
    forward, backward = (Fp8Rows.room((9, width), device) for _ in range(2))
    arguments = (bias, residual, gain, shift, 1e-12, drop)
    plain, _ = rows.add_and_norm_forward(projected.clone(), *arguments)
    normed, kept = rows.add_and_norm_forward(projected, *arguments, forward)
    assert torch.equal(normed, plain)
    same(forward, normed)
    found = rows.add_and_norm_backward(given, kept, gain, drop, fp8=backward)
    for one, other in zip(found, rows.add_and_norm_backward(given, kept, gain, drop), strict=True):
        assert torch.equal(one, other)
    same(backward, found[1])
    found = rows.add_and_norm_backward(given, kept, gain, drop, added)
    both = rows.add_and_norm_backward(given + added, kept, gain, drop)
    near = 1e-5 if kind == torch.float32 else 2e-2
    for one, other in zip(found, both, strict=True):
        torch.testing.assert_close(one, other, rtol=near, atol=near * float(other.abs().max()))


@pytest.mark.parametrize("name", ["gelu", "gelu_new"])
@pytest.mark.parametrize("count", [0, 21])
def test_activations_write_their_rows_in_8_bits_too(device, kind, name, count):
    before, given = (torch.randn(count, 96).to(device, kind) for _ in range(2))
    found, eight = fp8.activation_forward_fp8(before, name)
    assert torch.equal(found, rows.activation_forward(before, name))
    same(eight, found)
    gradient, other = given.clone(), given.clone()
    sums, eight = fp8.activation_backward_fp8(gradient, before, name)
    exact = rows.activation_backward(other, before, name)
    assert torch.equal(gradient, other)
    same(eight, gradient)
    near = 1e-5 if kind == torch.float32 else 2e-2
    torch.testing.assert_close(sums, exact, rtol=near, atol=near)


@multiplies
@pytest.mark.parametrize(
    "keep",
    [
        None,
        pytest.param([3, 7, 8, 9, 25, 26, 3], marks=pytest.mark.slow),
        pytest.param([], marks=pytest.mark.slow),
    ],
)
def test_a_layer_is_one_whose_factors_are_rounded(device, keep):
    torch.manual_seed(1)
    layer = EncoderLayer(SHAPE).train()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    layer.to(device).fp8 = True
    layout = UnpaddedLayout([5, 0, 21, 1]).to(device)
    chosen = None if keep is None else torch.tensor(keep, device=device, dtype=torch.int64)
    given = torch.randn(27 if keep is None else len(keep), 32, device=device)
    rows = torch.randn(27, 32, device=device, requires_grad=True)
    wanted = [rows, *layer.parameters()]
    results = []
    for fused in (True, False):
        torch.manual_seed(3)
        if fused:
            result = run_fused(layer, rows, layout, chosen)
        else:
            seeds = draw_seeds(3, device)
            result = reference_layer(layer, rows, layout, chosen, seeds, fp8=True)
        results.append((result.detach(), *torch.autograd.grad(result, wanted, given)))
    near = 5e-2 if device.type == "cuda" else 1e-5
    for one, other in zip(*results, strict=True):
        assert one.shape == other.shape
        if other.numel():
            assert float((one - other).abs().max()) <= near * max(1.0, float(other.abs().max()))
