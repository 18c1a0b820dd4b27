"""Says in one line what PyTorch's errors of the machine mean, and what to do about them."""

from __future__ import annotations

import re

import torch

from bertkit.errors import BertkitError

_LESS = (
    "lower --micro-batch-size (eval: --batch-size; answers: --predict-batch-size), give"
    " --recompute, or use a precision or layout that needs less"
)
_SOURCE = re.compile(r"\[(?:enforce fail at )?\S*/[\w.]+:\d+\] ")
_LESS_ON_DEVICE = f"{_LESS}; steps that are recorded need less with --set cuda.graphs=false"


def explained(error: BaseException) -> BertkitError | None:
    """The error of too little memory or of a device, for the user; None for any other."""
    text = str(error)
    line = text.strip().partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError):
        tried = re.search(r"Tried to allocate [\d.]+ \w+", text)
        detail = f" ({tried[0].lower()})" if tried else ""
        return BertkitError(f"out of memory on the device{detail}", _LESS_ON_DEVICE)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        tried = re.search(r"tried to allocate (\d+) bytes", text)
        detail = f" (tried to allocate {int(tried[1]):,} bytes)" if tried else ""
        return BertkitError(f"out of memory{detail}", _LESS)
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return BertkitError(
            f"the device failed: {line}",
            "a later operation may be named than the one that failed: CUDA_LAUNCH_BLOCKING=1 tells;"
            " `nvidia-smi` (or `rocm-smi`) and the system log say whether it is the hardware",
        )
    return None


def in_short(text: str) -> str:
    """What the library says, without places in its source and advice."""
    last = text.strip().splitlines()[-1]
    return _SOURCE.sub("", last).partition(". ")[0][:200]
