from __future__ import annotations

import torch

from bertkit.model.dropout import drop_threshold, dropout, keep_mask


def test_rate_and_independence():
    keep = keep_mask(1_000_003, drop_threshold(0.1)).double()
    assert keep.shape == (1_000_003,)
    assert abs(keep.mean() - 0.9) < 0.002
    centred = keep - keep.mean()
    for shift in (1, 2, 3, 4, 768):  # four neighbours share one draw
        assert abs((centred[:-shift] * centred[shift:]).mean()) < 0.0005


def test_scaled_kept_or_zero_and_gradient_alike():
    values = torch.randn(101, 7, requires_grad=True)
    result = dropout(values, 0.25, training=True)
    kept = result != 0
    torch.testing.assert_close(result[kept], values[kept] / 0.75)
    result.sum().backward()
    torch.testing.assert_close(values.grad, kept / 0.75)


def test_seed_decides_and_threads_do_not():
    values = torch.randn(1000)
    torch.manual_seed(5)
    first = dropout(values, 0.5, True)
    torch.set_num_threads(2)
    torch.manual_seed(5)
    try:
        assert torch.equal(dropout(values, 0.5, True), first)
    finally:
        torch.set_num_threads(1)
    assert not torch.equal(dropout(values, 0.5, True), first)


def test_off_outside_training():
    values = torch.randn(10)
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0, training=True) is values


def test_bfloat16_stays_bfloat16():
    assert dropout(torch.ones(64, dtype=torch.bfloat16), 0.1, True).dtype == torch.bfloat16
