from __future__ import annotations

import pytest
import torch

from bertkit.backends.torch import matmul_speed


def test_the_speed_is_operations_by_time(monkeypatch):
    """Four products of 64 x 64 matrices, which a clock of whole seconds says take one second."""
    seconds = iter(range(100))
    monkeypatch.setattr(matmul_speed.time, "perf_counter", lambda: float(next(seconds)))
    found = matmul_speed.matrix_flops(torch.device("cpu"), "fp32", seconds=0.5, size=64)
    assert found == 4 * 2 * 64**3


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_products_are_of_the_precision_and_waited_for(monkeypatch, precision):
    kinds, waits = set(), []
    product = torch.mm

    def seen(left, right):
        kinds.update((left.dtype, right.dtype))
        return product(left, right)

    monkeypatch.setattr(torch, "mm", seen)
    found = matmul_speed.matrix_flops(
        torch.device("cpu"), precision, seconds=0.0, size=32, wait=lambda: waits.append(1)
    )
    assert found > 0
    assert kinds == {matmul_speed.HALF.get(precision, torch.float32)}
    assert len(waits) == 2, "before the measurement and after it"
