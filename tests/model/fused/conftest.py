"""Runs Triton's kernels: on a GPU where there is one, else in Triton's interpreter."""

import os

import pytest
import torch

if not torch.cuda.is_available():  # read by Triton when kernels are defined
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="Triton is only made for Linux")


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(params=["whole", "half"])
def kind(request) -> torch.dtype:
    """float32, and half precision (bfloat16 is nothing that the interpreter can multiply)."""
    half = torch.bfloat16 if torch.cuda.is_available() else torch.float16
    return half if request.param == "half" else torch.float32
