"""Defines the settings of the Gaudi backend, `--set hpu.NAME=VALUE`. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import setting

AUTO = "auto"


@dataclass(frozen=True)
class HpuOptions:
    """Intel Gaudi."""

    mode: str = setting(
        AUTO,
        help="lazy collects a graph per step, eager runs operators, compile uses torch.compile; "
        "auto: the default of the installed release.",
        choices=(AUTO, "lazy", "eager", "compile"),
    )
    graphs: bool = setting(
        False, help="Replay captured HPU graphs, in training and in evaluation (lazy mode only)."
    )
    max_graphs: int = setting(
        10, help="Maximum number of HPU graphs to keep in training.", minimum=2
    )
    flat_all_reduce: bool = setting(
        True,
        help="One all-reduce of all gradients per step, after accumulation; off: "
        "DistributedDataParallel.",
    )
    bucket_cap_mb: int = setting(230, help="Size of DistributedDataParallel's buckets.", minimum=1)
    compiled_autograd: bool | None = setting(
        None,
        help="Compile the backward pass as a whole too (compile mode only); by default from "
        "release 1.23 on.",
    )
    bf16_ops: str | None = setting(
        None, help="File of operators that --precision bf16 computes in bf16, one per line."
    )
    fp32_ops: str | None = setting(
        None, help="File of operators that --precision bf16 leaves in fp32, one per line."
    )
