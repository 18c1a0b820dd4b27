"""Settings of the CUDA backend: `--set cuda.NAME=VALUE`. Light: imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.config import setting


@dataclass(frozen=True)
class CudaOptions:
    """NVIDIA GPUs."""

    compile: bool | None = setting(
        None,
        help="On cuda: torch.compile the model's parts; by default in runs of 1,000 steps and "
        "more.",
    )
    deterministic: bool = setting(
        False, help="On cuda: only kernels that give the same bits every time; slower."
    )
    totals: int = setting(
        0,
        help="When compiling: how many different numbers of tokens unpadded micro-batches are "
        "filled up to. Each costs a compilation, and the fewer, the more fill. 0: kernels that "
        "take any number, and no fill.",
        minimum=0,
    )
