"""Settings of the CUDA backend: `--set cuda.NAME=VALUE`. Light: imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.config import setting


@dataclass(frozen=True)
class CudaOptions:
    """NVIDIA GPUs."""

    compile: bool = setting(
        False, help="On cuda: torch.compile the model, once, for batches of one size."
    )
