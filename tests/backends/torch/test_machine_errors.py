"""PyTorch's errors of too little memory and of devices, in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.backends import registry
from bertkit.backends.torch.machine_errors import explained
from bertkit.errors import BertkitError


def test_too_much_for_a_gpu():
    error = torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.1 GiB"
    )
    found = explained(error)
    assert found.message == "out of memory on the device (tried to allocate 2.00 gib)"
    assert "--micro-batch-size" in found.hint and "--recompute" in found.hint
    assert "cuda.graphs" in found.hint, "what is recorded needs more"


@pytest.mark.parametrize("make", [torch.empty, lambda size: np.empty(size, np.float32)])
def test_too_much_for_this_machine_ends_in_one_line(make):
    """The errors that PyTorch and NumPy really raise, where a command's block ends."""
    with pytest.raises(BertkitError, match=r"^out of memory") as caught, registry.get("cpu"):
        make(1 << 58)
    assert "--micro-batch-size" in caught.value.hint


def test_a_device_that_fails():
    kind = getattr(torch, "AcceleratorError", None)
    if kind is None:
        pytest.skip("this PyTorch has no such error")
    error = kind("CUDA error: an illegal memory access was encountered\nmore")
    found = explained(error)
    assert found.message == (
        "the device failed: CUDA error: an illegal memory access was encountered"
    )


def test_other_errors_pass():
    assert explained(RuntimeError("shapes cannot be multiplied")) is None
    with pytest.raises(RuntimeError, match="shapes"), registry.get("cpu"):
        raise RuntimeError("shapes")
