"""The layer written out, against the layer of modules that PyTorch differentiates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.config import BertConfig
from bertkit.model.fused.dispatch import is_fused, run_fused
from bertkit.model.fused.layer import aligned
from bertkit.model.fused.random_bits import draw_seeds

LENGTHS = [5, 0, 21, 1]
SHAPE = BertConfig(
    vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=128,
)  # fmt: skip


def made(device, kind=torch.float32) -> EncoderLayer:
    torch.manual_seed(1)
    layer = EncoderLayer(SHAPE)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    return layer.to(device, kind)


def generators(device) -> list[torch.Tensor]:
    """States of the generators that a layer could move."""
    every = [torch.get_rng_state()]
    return every if device.type == "cpu" else [*every, torch.cuda.get_rng_state(device)]


@pytest.mark.parametrize("keep", [None, [3, 7, 8, 9, 25, 26, 3]])
def test_the_same_rows_and_gradients_as_modules_give(device, keep):
    layer = made(device).eval()
    layout = UnpaddedLayout(LENGTHS).to(device)
    chosen = None if keep is None else torch.tensor(keep, device=device)
    rows = torch.randn(sum(LENGTHS), 32, device=device, requires_grad=True)
    exact = layer(rows, layout, chosen)
    found = run_fused(layer, rows, layout, chosen)
    near = 5e-2 if device.type == "cuda" else 1e-5  # TF32
    torch.testing.assert_close(found, exact, rtol=near, atol=near)
    given = torch.randn_like(exact)
    wanted = [rows, *layer.parameters()]
    pairs = zip(
        torch.autograd.grad(found, wanted, given),
        torch.autograd.grad(exact, wanted, given),
        strict=True,
    )
    for one, other in pairs:  # that of the keys' bias is 0 but for rounding
        assert float((one - other).abs().max()) < near * max(1.0, float(other.abs().max()))


def test_tensors_begin_where_the_kernels_expect_them(device):
    wide = torch.zeros(9, 16, device=device)
    for tensor in (wide, wide.t(), wide.flatten()[1:]):
        found = aligned(tensor)
        assert found.is_contiguous() and found.data_ptr() % 16 == 0 and found.shape == tensor.shape
    assert aligned(wide) is wide


@pytest.mark.slow
def test_dropout_hangs_on_the_seed_alone(device):
    layer = made(device).train()
    layout = UnpaddedLayout(LENGTHS).to(device)
    rows = torch.randn(sum(LENGTHS), 32, device=device, requires_grad=True)

    def step(seed: int) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(seed)
        result = run_fused(layer, rows, layout, None)
        return result.detach(), *torch.autograd.grad(
            result.square().sum(), list(layer.parameters())
        )

    first, again, other = step(1), step(1), step(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    later = run_fused(layer, rows, layout, None)  # what the generator gives next
    assert not torch.equal(later, other[0])


def test_a_layer_draws_once_from_the_generator_of_the_device(device):
    layer = made(device).train()
    layout = UnpaddedLayout(LENGTHS).to(device)
    rows = torch.randn(sum(LENGTHS), 32, device=device, requires_grad=True)
    torch.manual_seed(3)
    draw_seeds(3, device)
    wanted = generators(device)
    torch.manual_seed(3)
    run_fused(layer, rows, layout, None).sum().backward()
    assert all(torch.equal(*pair) for pair in zip(generators(device), wanted, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_each_replay_of_a_graph_drops_other_elements(device):
    layer = made(device).train()
    layout = UnpaddedLayout(LENGTHS).to(device)
    rows = torch.randn(sum(LENGTHS), 32, device=device)
    weights = list(layer.parameters())

    def step() -> tuple[torch.Tensor, ...]:
        result = run_fused(layer, rows, layout, None)
        return result, *torch.autograd.grad(result.square().sum(), weights)

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        step()  # compiles
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        held = [tensor.detach() for tensor in step()]

    def replayed() -> list[torch.Tensor]:
        graph.replay()
        return [tensor.clone() for tensor in held]

    torch.manual_seed(5)
    first, second = replayed(), replayed()
    torch.manual_seed(5)
    again = replayed()
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], second[0])
    torch.manual_seed(5)  # nor does a graph draw others than the layer does without one
    torch.testing.assert_close(first[0], step()[0], rtol=1e-2, atol=1e-2)


def test_the_gradient_is_that_of_the_layer_with_its_dropout(device):
    """A step along the gradient changes the loss as the gradient says, the mask held."""
    layer = made(device).train()
    layout = UnpaddedLayout(LENGTHS).to(device)
    rows = torch.randn(sum(LENGTHS), 32, device=device, requires_grad=True)
    goal = torch.randn(sum(LENGTHS), 32, device=device)

    def loss(values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(7)
        return (run_fused(layer, values, layout, None) * goal).sum()

    (gradient,) = torch.autograd.grad(loss(rows), rows)
    on_gpu = device.type == "cuda"  # where TF32 rounds: a longer step is less of noise
    step = (5e-2 if on_gpu else 2e-3) * gradient / gradient.norm()
    with torch.no_grad():
        rise = float(loss(rows + step) - loss(rows - step)) / 2
    near = 0.1 if on_gpu else 0.02
    assert rise == pytest.approx(float((gradient * step).sum()), rel=near)


def test_only_half_precision_rows_of_a_gpu_are_for_the_kernels():
    layer = made("cpu", torch.bfloat16)
    layout = UnpaddedLayout(LENGTHS)
    assert not is_fused(layer, torch.zeros(4, 32, dtype=torch.bfloat16), layout)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_layers_of_a_gpu_are_fused_where_that_is_wanted(device):
    layer = made(device, torch.bfloat16)
    layout = UnpaddedLayout(LENGTHS).to(device)
    rows = torch.randn(sum(LENGTHS), 32, device=device, dtype=torch.bfloat16)
    assert not is_fused(layer, rows, layout)  # a run says so
    layer.fused = True
    assert is_fused(layer, rows, layout) and not is_fused(layer, rows.float(), layout)
    layer.fused = False
    assert not is_fused(layer, rows, layout)
    exact = made(device).eval()(rows.float(), layout)
    for fused in (True, False):
        layer.fused = fused
        difference = (layer.eval()(rows, layout).float() - exact).abs().max()
        assert float(difference) < 0.15 and np.isfinite(float(difference))
