"""What a check of the kernels of the loss finds: nothing where they are right, else the fault."""

from __future__ import annotations

import pytest
import torch
from slow_cases import slow

from bertkit.model.fused import word_loss
from bertkit.model.fused.checks import loss_check
from bertkit.model.fused.word_loss import Way


@pytest.fixture(autouse=True)
def few_rows(monkeypatch, device):
    """The interpreter takes its time."""
    if device.type == "cpu":
        monkeypatch.setattr(loss_check, "ROWS", 40)


@pytest.fixture
def half(device) -> torch.dtype:
    """That the interpreter rounds as GPUs do."""
    return torch.bfloat16 if device.type == "cuda" else torch.float16


@pytest.mark.parametrize("words", [64, 192, pytest.param(1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", [None, Way(64, 2)], ids=["held", "looped"])
def test_right_kernels_pass(device, half, monkeypatch, words, way):
    monkeypatch.setattr(word_loss, "chosen_way", lambda size: way or Way(1024, 4))
    assert loss_check.what_is_wrong(words, device, half) is None


def test_the_case_has_labels_of_all_kinds(half, monkeypatch):
    monkeypatch.setattr(loss_check, "ROWS", 300)
    logits, labels, factors = loss_check._drawn(192, half)
    largest = logits.max(-1).values
    is_largest = logits.gather(1, labels[:, None])[:, 0] == largest
    counts = factors > 0
    first = logits.argmax(-1) == labels
    several = (logits == largest[:, None]).sum(-1) > 1
    for kind in (is_largest & first & several, is_largest & ~first, is_largest & ~several,
                 ~is_largest):  # fmt: skip
        assert int((kind & counts).sum()) > 5
    assert int((~counts).sum()) > 20


def broken(monkeypatch, name, change):
    """Let calls of the kernels go through `change(call, *arguments)`."""
    call = getattr(loss_check, name)
    monkeypatch.setattr(loss_check, name, lambda *given: change(call, *given))


def scaled(place, factor, rows=slice(None)):
    """An argument that is written is so many times as large in some rows."""

    def change(call, *given):
        call(*given)
        if place or given[-1]:
            given[place][rows] *= factor

    return change


def last_column_left(call, logits, *more):
    before = logits.clone()
    call(logits, *more)
    logits[:, 3] = before[:, 3]


def labels_not_seen(call, logits, labels, *more):
    own = logits.gather(1, labels[:, None])
    call(logits, labels, *more)
    logits.scatter_(1, labels[:, None], own)


def last_of_several(call, logits, labels, factors, losses, right, gradient):
    largest = logits.max(-1, keepdim=True).values == logits
    call(logits, labels, factors, losses, right, gradient)
    right.copy_(largest.gather(1, labels[:, None])[:, 0] & (factors > 0))


def padding_gets_some(call, logits, *more):
    call(logits, *more)
    if more[-1]:
        logits[3, -1] = 1e-6


def weights_not_seen(call, logits, labels, factors, *more):
    call(logits, labels, torch.ones_like(factors), *more)


def rows_of_no_weight_count(call, logits, labels, factors, losses, right, gradient):
    before = logits.clone()
    call(logits, labels, factors, losses, right, gradient)
    logits[factors == 0] = before[factors == 0]


def always_a_gradient(call, *given):
    call(*given[:-1], True)


OFF = "off, relative to its size"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (scaled(0, 1.05), OFF),
        (scaled(0, float("nan")), OFF),
        (scaled(0, 1.05, rows=slice(38, 39)), OFF),
        (scaled(4, 0.0, rows=slice(3, 4)), "whether the label has the largest logit"),
        (weights_not_seen, OFF),
        (always_a_gradient, "without gradients"),
        *slow(
            (scaled(3, 1.001), OFF),
            (last_column_left, "the gradient of logits"),
            (labels_not_seen, "the gradient of labels' logits"),
            (last_of_several, "whether the label has the largest logit"),
            (padding_gets_some, "the gradient of logits"),
            (rows_of_no_weight_count, OFF),
        ),
    ],
)
def test_a_kernel_of_rows_that_is_wrong_is_found(device, half, monkeypatch, change, said):
    broken(monkeypatch, "word_losses", change)
    assert said in (loss_check.what_is_wrong(192, device, half) or "nothing")


def test_sums_that_are_wrong_are_found(device, half, monkeypatch):
    broken(monkeypatch, "column_sums", lambda call, values, kind: call(values[2:], kind))
    assert "vocabulary's biases" in loss_check.what_is_wrong(64, device, half)


@pytest.mark.parametrize("place", range(4))
def test_a_sum_that_is_wrong_is_found(device, half, monkeypatch, place):
    def one_more(call, *given):
        sums = list(call(*given))
        sums[place] = sums[place] + 1
        return sums

    broken(monkeypatch, "loss_sums", one_more)
    assert OFF in loss_check.what_is_wrong(64, device, half)


def test_what_is_another_number_each_time_is_found(device, half, monkeypatch):
    calls = []

    def racing(call, *given):
        calls.append(1)
        return call(*given) * (1 + 2e-4 * (len(calls) % 2))

    broken(monkeypatch, "column_sums", racing)
    assert "is another one when it is computed again" in loss_check.what_is_wrong(64, device, half)
