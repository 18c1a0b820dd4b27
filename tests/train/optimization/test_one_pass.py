"""AdamW by the kernel: the bits of PyTorch's on GPUs, by its formulas, and numbers of its CPU's."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is only made for Linux")

from bertkit.train.optimization import one_pass
from bertkit.train.optimization.one_pass import OnePassAdamW, can_take
from bertkit.train.optimization.optimizers import (
    load_named_state,
    named_state,
    norm_of,
    step_unless,
)
from train.optimization.gpu_rounding import as_gpus_do, by_formulas, same

HALF = ((20, 16), (33,), (15, 10), (64,), (1,))  # with copies, gradients in half precision
WHOLE = ((30, 16), (37,), (16,))
DECAYS = 3  # weights of the first group
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def rounding(monkeypatch):
    as_gpus_do(monkeypatch)
    monkeypatch.setattr(one_pass, "_BLOCK", 1024 if torch.cuda.is_available() else 128)


def made(device, decay=0.01, sizes=(*HALF, *WHOLE)):
    """Weights and their optimizer, as bertkit makes it."""
    torch.manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(size).to(device)) for size in sizes]
    names = [str(number) for number in range(len(weights))]
    groups = [
        {"params": weights[:DECAYS], "names": names[:DECAYS], "weight_decay": decay},
        {"params": weights[DECAYS:], "names": names[DECAYS:], "weight_decay": 0.0},
    ]
    return weights, torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-6, fused=True)


def drawn(weights, size=1.0, halves=True):
    count = len(HALF) if halves else 0
    kinds = [torch.bfloat16 if number < count else torch.float32 for number in range(len(weights))]
    return {
        weight: (size * 10.0**-number * torch.randn(weight.shape)).to(weight.device, kind)
        for number, (weight, kind) in enumerate(zip(weights, kinds, strict=True))
    }


def listed(gradients):
    """Weights, and the gradients of each."""
    return [*gradients], [*gradients.values()]


def numbers(weights, optimizer):
    """Weights and their state."""
    states = [value for weight in weights for value in optimizer.state[weight].values()]
    return [*(weight.detach() for weight in weights), *states]


def flags(device, left_out=0.0, divisor=None):
    return (
        torch.tensor(left_out, device=device),
        None if divisor is None else torch.tensor(divisor, device=device),
    )


def step_right(weights, optimizer, gradients, left_out, divisor):
    """On a GPU by PyTorch's kernels, else by their formulas."""
    for weight, gradient in zip(weights, gradients.values(), strict=True):
        weight.grad = gradient.float()
    if left_out.device.type == "cuda":
        step_unless(left_out, optimizer, divisor)
    else:
        by_formulas(optimizer, left_out, divisor)


@pytest.mark.parametrize(("decay", "clipped"), [(0.01, True), (0.0, True), (0.1, False)])
def test_the_bits_are_those_of_pytorchs_update_on_a_gpu(device, decay, clipped):
    (mine, one), (right, other) = made(device, decay), made(device, decay)
    steps = OnePassAdamW(one)
    copies = {weight: torch.zeros_like(weight, dtype=torch.bfloat16) for weight in mine[:5]}
    for number, rate in enumerate((1e-3, 2e-3, 7e-4, 3e-4)):
        gradients = drawn(mine, size=3.0**number, halves=number != 2)
        left_out, divisor = flags(device, float(number == 1), 1.7 - number / 3 if clipped else None)
        for group in (*one.param_groups, *other.param_groups):
            group["lr"] = rate
        before = [value.clone() for value in numbers(mine, one)]
        steps.step(*listed(gradients), copies, left_out, divisor)
        step_right(right, other, gradients, left_out, divisor)
        assert same(numbers(mine, one), numbers(right, other))
        assert same(before, numbers(mine, one)) == (number == 1)
        assert all(torch.equal(half, weight.bfloat16()) for weight, half in copies.items())


def test_the_numbers_are_those_of_pytorchs_fused_update_on_a_cpu():
    """Which takes 1 - beta in float64: moments differ by a hundred-thousandth."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        pytest.skip("kernels run on the GPU here")
    (mine, one), (right, other) = made(device), made(device)
    steps = OnePassAdamW(one)
    for number in range(5):
        gradients = drawn(mine, size=2.0**-number)
        for group in (*one.param_groups, *other.param_groups):
            group["lr"] = 1e-3
        steps.step(*listed(gradients), {}, *flags(device, divisor=2.0))
        for weight, gradient in zip(right, gradients.values(), strict=True):
            weight.grad = gradient.float() / 2
        other.step()
    for weight, exact in zip(mine, right, strict=True):
        torch.testing.assert_close(weight, exact, rtol=2e-6, atol=2e-7)
        for name, value in other.state[exact].items():
            found = one.state[weight][name]
            little = 2e-6 * float(value.abs().max())
            torch.testing.assert_close(found, value, rtol=5e-5, atol=little)


def test_weights_without_gradients_stay_and_get_no_state(device):
    mine, one = made(device)
    before = [weight.detach().clone() for weight in mine]
    gradients = drawn(mine)
    del gradients[mine[1]], gradients[mine[-1]]
    one.param_groups[0]["lr"] = one.param_groups[1]["lr"] = 1e-2
    OnePassAdamW(one).step(*listed(gradients), {}, *flags(device))
    moved = [not torch.equal(*pair) for pair in zip(before, mine, strict=True)]
    assert moved == [weight in gradients for weight in mine]
    assert set(one.state) == set(gradients)
    OnePassAdamW(one).step([], [], {}, *flags(device))


def test_state_is_pytorchs_and_goes_to_another_optimizer(device):
    """Saved and loaded by name, between both ways of taking a step."""
    (mine, one), (right, other) = made(device), made(device)
    steps, again = OnePassAdamW(one), OnePassAdamW(other)
    for _ in range(2):
        gradients = drawn(mine)
        one.param_groups[0]["lr"] = one.param_groups[1]["lr"] = 1e-2
        steps.step(*listed(gradients), {}, *flags(device))
    reference = copy.deepcopy(one)  # with weights of its own
    saved = named_state(one)
    assert {key for state in saved.values() for key in state} == {"step", "exp_avg", "exp_avg_sq"}
    load_named_state(other, saved)
    other.param_groups[0]["lr"] = other.param_groups[1]["lr"] = 1e-2
    with torch.no_grad():
        for weight, source in zip(right, mine, strict=True):
            weight.copy_(source)
    gradients = drawn(mine)
    steps.step(*listed(gradients), {}, *flags(device))
    again.step(right, [*gradients.values()], {}, *flags(device))
    assert same(numbers(mine, one), numbers(right, other))
    copied = [weight for group in reference.param_groups for weight in group["params"]]
    step_right(copied, reference, gradients, *flags(device))
    assert same(numbers(mine, one), numbers(copied, reference))


def test_moments_that_were_loaded_into_the_same_optimizer_count(device):
    mine, one = made(device)
    steps = OnePassAdamW(one)
    one.param_groups[0]["lr"] = one.param_groups[1]["lr"] = 1e-2
    gradients = drawn(mine)
    steps.step(*listed(gradients), {}, *flags(device))
    saved = named_state(one, lambda tensors: [tensor.clone() for tensor in tensors])
    kept = [weight.detach().clone() for weight in mine]
    steps.step(*listed(gradients), {}, *flags(device))
    after = [value.clone() for value in numbers(mine, one)]
    load_named_state(one, saved)
    with torch.no_grad():
        for weight, value in zip(mine, kept, strict=True):
            weight.copy_(value)
    steps.step(*listed(gradients), {}, *flags(device))
    assert same(after, numbers(mine, one))


def test_a_rate_that_lies_on_the_device_is_read_there(device):
    (mine, one), (right, other) = made(device), made(device)
    gradients = drawn(mine)
    rate = torch.tensor(3e-3, device=device)
    for group in one.param_groups:
        group["lr"] = rate
    other.param_groups[0]["lr"] = other.param_groups[1]["lr"] = 3e-3
    OnePassAdamW(one).step(*listed(gradients), {}, *flags(device))
    OnePassAdamW(other).step(right, [*gradients.values()], {}, *flags(device))
    assert same(numbers(mine, one), numbers(right, other))


def test_gradients_that_lie_otherwise_are_read_in_their_order(device):
    (mine, one), (right, other) = made(device), made(device)
    one.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 1e-2
    whole = torch.randn(16, 20).to(device, torch.bfloat16)
    OnePassAdamW(one).step([mine[0]], [whole.t()], {}, *flags(device))
    OnePassAdamW(other).step([right[0]], [whole.t().contiguous()], {}, *flags(device))
    assert same([mine[0].detach()], [right[0].detach()])


def test_pytorch_counts_the_change(device):
    """Whoever keeps something that was made of weights can see that they are others."""
    mine, one = made(device)
    before = [weight._version for weight in mine]
    gradients = drawn(mine)
    del gradients[mine[2]]
    OnePassAdamW(one).step(*listed(gradients), {}, *flags(device))
    changed = [now._version > then for now, then in zip(mine, before, strict=True)]
    assert changed == [number != 2 for number in range(len(mine))]


def test_a_table_that_stays_is_sent_once(device, monkeypatch):
    mine, one = made(device)
    sent = []
    send = one_pass._sent
    monkeypatch.setattr(one_pass, "_sent", lambda *given: sent.append(given[0]) or send(*given))
    steps, gradients, copies = OnePassAdamW(one), drawn(mine), {}
    steps.step(*listed(gradients), copies, *flags(device))
    first = len(sent)
    steps.step(*listed(gradients), copies, *flags(device))
    assert len(sent) == first
    gradients[mine[2]] = gradients[mine[2]].clone()
    steps.step(*listed(gradients), copies, *flags(device))
    assert len(sent) == first + 1 and sent[-1].dtype == np.int64


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        *(({}, True), ({"fused": False}, False)),
        *(({"amsgrad": True}, False), ({"maximize": True}, False)),
    ],
)
def test_which_optimizers_it_takes(change, taken):
    _, optimizer = made("cpu")
    assert can_take(optimizer)
    optimizer.param_groups[1].update(change)
    assert can_take(optimizer) == taken


def test_other_optimizers_are_not_taken():
    weights, _ = made("cpu")
    assert not can_take(torch.optim.SGD(weights, lr=0.1))
    assert not can_take(torch.optim.Adam(weights, fused=True))
    _, optimizer = made("cpu")
    optimizer.param_groups[1]["betas"] = (0.8, 0.999)
    assert not can_take(optimizer)
    for weight in (torch.zeros(2, 3).half(), torch.zeros(2, 3).t()):
        assert not can_take(torch.optim.AdamW([torch.nn.Parameter(weight)], fused=True))


def test_the_norm_of_gradients_in_half_precision(device):
    torch.manual_seed(1)
    halves = [torch.randn(size).to(device, torch.bfloat16) for size in ((300, 40), (7,), (513,))]
    whole = torch.randn(1000, device=device)
    found = norm_of([halves[0], whole, *halves[1:]])
    exact = torch.cat([item.double().flatten() for item in (whole, *halves)]).norm()
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(exact), rel=1e-5)


@needs_gpu
def test_the_norm_has_the_bits_of_float32(device):
    torch.manual_seed(1)
    halves = [torch.randn(n).to(device, torch.bfloat16) for n in (1 << 20, 65_537, 33, 70_000)]
    assert same([norm_of(halves)], [norm_of([item.float() for item in halves])])
