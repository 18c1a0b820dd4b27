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


@pytest.fixture(autouse=True, scope="session")
def nearest_fp8() -> None:
    """Triton's interpreter cuts off what does not fit into 8 bits, where a GPU rounds to the
    nearest number: here PyTorch does that."""
    if torch.cuda.is_available():
        return
    import numpy as np
    import triton.language as tl
    from triton.runtime import interpreter

    convert = interpreter._convert_float

    def nearest(values, before, after, rounding):
        if after != tl.float8e4nv:
            return convert(values, before, after, rounding)
        found = torch.from_numpy(np.ascontiguousarray(values)).to(torch.float8_e4m3fn)
        return found.view(torch.uint8).numpy()

    interpreter._convert_float = nearest


@pytest.fixture(autouse=True, scope="session")
def numbers_of_one_element() -> None:
    """Triton 3.6's interpreter takes arrays of one element for numbers; numpy 2.5 does not."""
    if torch.cuda.is_available():
        return
    from triton.runtime import interpreter

    patch = interpreter._patch_lang_tensor

    def patched(tensor, scope) -> None:
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())

    interpreter._patch_lang_tensor = patched
