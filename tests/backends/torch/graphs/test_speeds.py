"""What a device and its host do in a second."""

from __future__ import annotations

import time

import pytest
import torch

from bertkit.backends.torch import matmul_speed
from bertkit.backends.torch.fused import trial as fused_trial
from bertkit.backends.torch.graphs import speeds

CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch):
    """Sizes that a CPU is done with soon."""
    monkeypatch.setattr(speeds, "_PRODUCTS", 64)
    monkeypatch.setattr(speeds, "_COPIED", 1 << 16)
    monkeypatch.setattr(speeds, "_SECONDS", 0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_speeds_are_measured_and_random_numbers_stay(small, precision):
    before = torch.get_rng_state()
    found = speeds.measured(CPU, precision)
    assert min(found.products, found.copies, found.layer) > 0
    assert torch.equal(before, torch.get_rng_state())


def test_speeds_are_work_by_the_clock(small, monkeypatch):
    """A clock that goes on by a second whenever it is read."""
    now = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(now)))
    monkeypatch.setattr(matmul_speed.time, "perf_counter", lambda: float(next(now)))
    found = speeds.measured(CPU, "fp32")
    assert found.products == 4 * 2 * 64**3
    assert found.copies == 4 * 2 * (1 << 16), "what is copied is read and written"
    assert found.layer == pytest.approx(1 / fused_trial._CALLS)


def test_the_layer_is_one_of_the_kernels_of_a_run(small, monkeypatch):
    """Forward and backward, in training, over ragged rows, in the precision of the run."""
    seen = []
    kind = speeds._LAYER.layer().__class__

    def forward(self, rows, layout):
        seen.append((self.training, rows.dtype, rows.shape[0] == layout.rows, rows.requires_grad))
        return plain(self, rows, layout)

    plain = kind.forward
    monkeypatch.setattr(kind, "forward", forward)
    speeds.measured(CPU, "bf16")
    assert set(seen) == {(True, torch.bfloat16, True, True)}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_gpu_is_left_as_it_was(precision):
    device = torch.device("cuda", 0)
    before = torch.cuda.get_rng_state(device)
    found = speeds.measured(device, precision)
    assert 1e10 < found.products < 1e17 and found.copies > 1e9 and 1e-5 < found.layer < 1
    assert torch.equal(before, torch.cuda.get_rng_state(device))
    # The library of matrix products keeps what it has asked for.
    assert torch.cuda.memory_allocated(device) < 100e6
    assert torch.cuda.max_memory_allocated(device) < 100e6
