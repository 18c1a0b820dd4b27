"""The layer written out, in the hands of autograd: whatever is done with its graph, the gradients
are those of the layer of modules."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from model.fused.test_layer import SHAPE, generators, made
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.fused.dispatch import run_fused

LENGTHS = [5, 1]


def near(device) -> float:
    return 5e-2 if device.type == "cuda" else 2e-5  # TF32


def close(found, exact, tolerance: float) -> None:
    for one, other in zip(found, exact, strict=True):
        assert float((one - other).abs().max()) <= tolerance * max(1.0, float(other.abs().max()))


@pytest.fixture
def layer(device) -> EncoderLayer:
    return made(device).eval()


@pytest.fixture
def layout(device) -> UnpaddedLayout:
    return UnpaddedLayout(LENGTHS).to(device)


@pytest.fixture
def rows(device) -> Tensor:
    torch.manual_seed(4)
    return torch.randn(sum(LENGTHS), SHAPE.hidden_size, device=device).requires_grad_()


@pytest.fixture
def poison():
    """New tensors hold NaN until something is written to them."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def gradients(result: Tensor, wanted, **more) -> tuple[Tensor, ...]:
    torch.manual_seed(2)
    return torch.autograd.grad(result, wanted, torch.randn_like(result), **more)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_nothing_is_read_that_was_not_written(layer, layout, rows, poison, rate):
    """Nor does the backward pass write into what it was given or what was kept."""
    kept = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append((tensor, tensor.clone()))
        return tensor

    layer.train(rate > 0)
    for module in (layer.attention.self, layer.attention.output, layer.output):
        module.rate = rate
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run_fused(layer, rows, layout, None)
    given = torch.randn_like(result)
    before = given.clone()
    wanted = [rows, *layer.parameters()]
    first = torch.autograd.grad(result, wanted, given, retain_graph=True)
    assert torch.equal(given, before)
    assert all(torch.equal(tensor, was) for tensor, was in kept) and len(kept) > 10
    second = torch.autograd.grad(result, wanted, given)
    assert torch.isfinite(result).all() and all(torch.isfinite(one).all() for one in first)
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


def test_a_layer_used_twice_adds_its_gradients(layer, layout, rows, device):
    wanted = [rows, *layer.parameters()]
    found = run_fused(layer, run_fused(layer, rows, layout, None), layout, None)
    close(
        gradients(found + rows, wanted),
        gradients(layer(layer(rows, layout), layout) + rows, wanted),
        5 * near(device),
    )


def test_gradients_of_several_passes_add_up(layer, layout, rows, device):
    other = torch.randn_like(rows)
    for one in (rows.detach(), other):
        run_fused(layer, one, layout, None).square().sum().backward()
    found = [weight.grad.clone() for weight in layer.parameters()]
    layer.zero_grad()
    for one in (rows.detach(), other):
        layer(one, layout).square().sum().backward()
    close(found, [weight.grad for weight in layer.parameters()], 5 * near(device))


def test_weights_that_are_held_fast(layer, layout, rows, device):
    for name, weight in layer.named_parameters():
        weight.requires_grad_("output" in name)
    wanted = [weight for weight in layer.parameters() if weight.requires_grad]
    found = run_fused(layer, rows.detach(), layout, None)
    close(gradients(found, wanted), gradients(layer(rows.detach(), layout), wanted), near(device))
    layer.requires_grad_(False)
    (gradient,) = gradients(run_fused(layer, rows, layout, None), [rows])
    close([gradient], gradients(layer(rows, layout), [rows]), near(device))
    assert not run_fused(layer, rows.detach(), layout, None).requires_grad


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_computed_again(layer, layout, rows, reentrant):
    layer.train()
    found = []
    for again in (False, True):
        torch.manual_seed(3)
        if again:
            result = checkpoint(run_fused, layer, rows, layout, None, use_reentrant=reentrant)
        else:
            result = run_fused(layer, rows, layout, None)
        layer.zero_grad()
        rows.grad = None
        result.square().sum().backward()
        found.append((rows.grad, *(weight.grad.clone() for weight in layer.parameters())))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_kept_tensors_may_travel(layer, layout, rows):
    """As those that are sent to the host until they are needed."""
    wanted = [rows, *layer.parameters()]
    here = gradients(run_fused(layer, rows, layout, None), wanted)

    def unpack(stored: tuple[torch.device, Tensor]) -> Tensor:
        place, tensor = stored
        # Not where the first pass had it, and not at a multiple of 16 bytes.
        shifted = torch.empty(tensor.numel() + 1, dtype=tensor.dtype, device=place)[1:]
        return shifted.copy_(tensor.flatten()).view(tensor.shape)

    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: (tensor.device, tensor.clone().cpu()), unpack
    ):
        result = run_fused(layer, rows, layout, None)
    found = gradients(result, wanted)
    assert all(torch.equal(one, two) for one, two in zip(here, found, strict=True))


def test_hooks_on_gradients_see_each_once(layer, layout, rows):
    seen = []
    for name, weight in layer.named_parameters():
        weight.register_hook(lambda gradient, name=name: seen.append(name))
    run_fused(layer, rows, layout, None).sum().backward()
    assert sorted(seen) == sorted(name for name, _ in layer.named_parameters())


def test_second_derivatives_are_refused(layer, layout, rows):
    result = run_fused(layer, rows, layout, None)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        gradients(result, [rows], create_graph=True)


def test_what_computes_no_gradients_and_copies(layer, layout, rows):
    before = generators(rows.device)
    exact = run_fused(layer, rows, layout, None).detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(run_fused(layer, rows, layout, None), exact)
    # Evaluating draws nothing, so that training goes on as if it had not been.
    assert all(torch.equal(*pair) for pair in zip(generators(rows.device), before, strict=True))
    layer.fused = True
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.fused and torch.equal(run_fused(other, rows, layout, None), exact)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the interpreter
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_stays_so(layer, layout, rows, wrong):
    """And in its own sequence: a step with it is left out because of what arrives."""
    with torch.no_grad():
        rows[2, 3] = wrong
    exact, found = layer(rows, layout), run_fused(layer, rows, layout, None)
    assert torch.equal(found.isfinite(), exact.isfinite()) and found[5:].isfinite().all()
    wanted = [rows, *layer.parameters()]
    for one, other in zip(gradients(found, wanted), gradients(exact, wanted), strict=True):
        assert bool(one.isfinite().all()) <= bool(other.isfinite().all())


@pytest.mark.parametrize("keep", [[], [0, 0, 0, 5], list(range(sum(LENGTHS)))])
def test_rows_kept_none_several_times_and_all(layer, layout, rows, device, poison, keep):
    chosen = torch.tensor(keep, dtype=torch.int64, device=device)
    wanted = [rows, *layer.parameters()]
    exact, found = layer(rows, layout, chosen), run_fused(layer, rows, layout, chosen)
    assert found.shape == exact.shape
    close(gradients(found, wanted), gradients(exact, wanted), near(device))


def test_half_precision_copies_of_a_step(layer, layout, rows, device):
    """As training has them: query, key and value joined, gradients added over two passes."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float16
    for _ in range(2):
        layer(rows, layout).square().sum().backward()
    exact = [weight.grad.clone() for weight in layer.parameters()]
    layer.zero_grad()
    copies = WorkingWeights(layer, kind)
    copies.adds = True
    with copies.applied():
        for _ in range(2):
            found = run_fused(layer, rows.detach().to(kind), layout, None)
            assert found.dtype == kind
            found.float().square().sum().backward()
    for weight, other in zip(layer.parameters(), exact, strict=True):
        assert weight.grad.dtype == torch.float32
        assert float((weight.grad - other).abs().max()) < 0.05 * float(other.abs().max() + 1)
