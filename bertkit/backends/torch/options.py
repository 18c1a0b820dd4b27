"""Defines the settings of the CUDA backend, `--set cuda.NAME=VALUE`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.configuration.config import setting


@dataclass(frozen=True)
class CudaOptions:
    """NVIDIA's and AMD's GPUs."""

    compile: bool | None = setting(
        None,
        help="On cuda: torch.compile the model's parts; by default in runs of 1,000 steps and "
        "more, or, with cuda.graphs, of some ten minutes and more.",
    )
    deterministic: bool = setting(
        False,
        help="On cuda: use only deterministic kernels, so that steps repeat and runs resume bit "
        "for bit; slower.",
    )
    fused: bool | None = setting(
        None,
        help="On cuda, in bf16: compute embeddings, encoder layers, the loss and AdamW's updates "
        "with bertkit's own kernels (Triton) instead of PyTorch's; NVIDIA GPUs since Ampere. By "
        "default long pretraining runs try them on the GPU at their start, and take them where "
        "they are right and faster.",
    )
    fp8: bool = setting(
        False,
        help="On cuda, with cuda.fused: compute most products of encoder layers in 8 bits (E4M3), "
        "from Ada and Hopper (L40, H100) on. Rounds more than bf16 does; begins with a check of "
        "its numbers on the GPU.",
    )
    graphs: bool | None = setting(
        None,
        help="On cuda: record a step's kernels and start them by a few calls (CUDA graphs). By "
        "default in pretraining, where the host would take longer to start a pass's kernels than "
        "the GPU to run them, as with small models; in fine-tuning where it is asked for.",
    )
    gradient_exchange: str = setting(
        "fp32",
        help="On cuda, in several processes: the number format in which gradients travel; bf16 "
        "is half as much to send and rounds their sums.",
        choices=("fp32", "bf16"),
    )
    totals: int = setting(
        0,
        help="With --compile or cuda.graphs: number of token totals that unpadded micro-batches "
        "are padded to. Each total costs one compilation or recording; fewer totals mean more "
        "padding. 0: kernels with dynamic shapes, and no padding; with cuda.graphs 8 totals.",
        minimum=0,
    )

    @staticmethod
    def completed(saved: Mapping[str, Any]) -> dict[str, Any]:
        """What saved settings meant: a run that was begun takes up neither kernels nor recordings.

        Args:
            saved: of a checkpoint; earlier versions did not know all of them.
        """
        return {name: bool(saved.get(name)) for name in ("fused", "graphs")}
