"""Attention in bf16 beside the formula in float32, over the same bf16 numbers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bertkit.model.cpu_half import attention, rows
from bertkit.model.cpu_half.attention import projected_attention

RUNS = ((2, 9), (1, 40), (3, 32), (1, 1), (2, 70), (1, 33))
ROWS = sum(count * length for count, length in RUNS)


def problem(width: int):
    torch.manual_seed(4)
    rows = torch.randn(ROWS, width).bfloat16().requires_grad_()
    weight = (torch.randn(3 * width, width) * 2 / width**0.5).bfloat16().requires_grad_()
    bias = torch.randn(3 * width).bfloat16().requires_grad_()
    return rows, weight, bias


def formula(rows, weight, bias, heads, masks=None):
    """All in float32; `masks` are factors of each sequence's probabilities, in row order."""
    width = rows.shape[1]
    query, key, value = functional.linear(rows, weight, bias).split(width, 1)
    first, results, number = 0, [], 0
    for count, length in RUNS:
        for _ in range(count):
            place = slice(first, first + length)
            parts = [
                part[place].view(length, heads, -1).transpose(0, 1) for part in (query, key, value)
            ]
            scores = parts[0] @ parts[1].transpose(1, 2) * parts[0].shape[2] ** -0.5
            chances = scores.softmax(-1)
            if masks is not None:
                chances = chances * masks[number]
            results.append((chances @ parts[2]).transpose(0, 1).reshape(length, width))
            first, number = first + length, number + 1
    return torch.cat(results)


def check(found, inputs, expected, twins):
    assert (found.float() - expected).norm() < 0.01 * expected.norm()
    gradient = torch.randn(ROWS, found.shape[1]).bfloat16()
    found.backward(gradient)
    expected.backward(gradient.float())
    for one, other in zip(inputs, twins, strict=True):
        error = (one.grad.float() - other.grad).norm() / other.grad.norm()
        assert error < 0.02, error


@pytest.mark.parametrize(("width", "heads"), [(64, 2), (96, 3), (40, 5)])
def test_without_dropout(width, heads):
    inputs = problem(width)
    twins = [value.detach().float().requires_grad_() for value in inputs]
    found = projected_attention(*inputs, heads, RUNS, 0.0)
    check(found, inputs, formula(*twins, heads), twins)


def test_dropout_of_probabilities():
    """The marks that the forward pass keeps say what it dropped."""
    inputs, heads = problem(64), 2
    twins = [value.detach().float().requires_grad_() for value in inputs]
    found = projected_attention(*inputs, heads, RUNS, 0.25)
    saved = found.grad_fn.saved_tensors[2:]
    lengths = [length for count, length in RUNS for _ in range(count)]
    masks, shares = [torch.empty(0)] * len(lengths), []
    starts = torch.tensor([0, *lengths]).cumsum(0).tolist()
    for group, marked in zip(found.grad_fn.groups, saved[3::4], strict=True):
        for number, start in enumerate(group.starts.tolist()):
            sequence = starts.index(start)
            length = lengths[sequence]
            own = marked.view(-1, heads, group.longest, group.longest)[number, :, :length, :length]
            kept = ~own.signbit()
            shares.append(kept.float().mean(dtype=torch.float64) * kept.numel())
            masks[sequence] = kept * (65536 / (65536 - round(0.25 * 65536)))
    total = sum(mask.numel() for mask in masks)
    assert abs(float(sum(shares)) / total - 0.75) < 5 * (0.1875 / total) ** 0.5
    check(found, inputs, formula(*twins, heads, masks), twins)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_what_is_computed_together_changes_no_bit(monkeypatch, rate):
    def all_of(scores, threads):
        monkeypatch.setattr(attention, "_SCORES", scores)
        torch.set_num_threads(threads)
        inputs = problem(64)
        torch.manual_seed(9)
        found = projected_attention(*inputs, 2, RUNS, rate)
        found.float().square().sum().backward()
        return [found, *(value.grad for value in inputs)]

    before = torch.get_num_threads()
    try:
        together, alone = all_of(1 << 20, 1), all_of(1, 3)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(together, alone, strict=True))


def test_sequences_have_random_numbers_of_their_own():
    rows = torch.ones(64, 32, dtype=torch.bfloat16)
    weight, bias = torch.eye(32).repeat(3, 1).bfloat16(), torch.zeros(96).bfloat16()
    first, second = projected_attention(rows, weight, bias, 1, ((2, 32),), 0.5).split(32)
    assert not torch.equal(first, second)
    assert abs(float(torch.cat([first, second]).float().mean()) - 1.0) < 0.1


def test_heads_of_one_sequence_are_shared_among_threads(monkeypatch):
    """A long sequence is computed alone: its heads are what threads can share."""
    shared = []

    def recorded(kernel, count, *arguments, scratch=0):
        shared.append((kernel.__name__, count))
        rows.spread(kernel, count, *arguments, scratch=scratch)

    monkeypatch.setattr(attention, "spread", recorded)
    given = torch.randn(40, 64).bfloat16().requires_grad_()
    weight, bias = torch.randn(192, 64).bfloat16(), torch.randn(192).bfloat16()
    projected_attention(given, weight, bias, 4, ((1, 40),), 0.1).sum().backward()
    of_heads = {name: count for name, count in shared if name != "transpose_and_sum"}
    assert set(of_heads.values()) == {4} and len(of_heads) == 4
