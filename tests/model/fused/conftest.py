"""Runs Triton's kernels: on a GPU where there is one, else in Triton's interpreter."""

import os
from collections.abc import Callable
from functools import partial

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


@pytest.fixture
def launches(monkeypatch) -> list[Callable[[], None]]:
    """Every launch of a kernel since, to be done again as a CUDA graph does: with the same
    arguments, whatever their memory holds by then."""
    from bertkit.model.fused.launch import Kernel

    done, launch = [], Kernel.launch

    def record(kernel, *given, **named):
        done.append(partial(launch, kernel, *given, **named))
        launch(kernel, *given, **named)

    monkeypatch.setattr(Kernel, "launch", record)
    return done
