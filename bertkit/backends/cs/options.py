"""Defines the settings of the Cerebras backend, `--set cs.NAME=VALUE`. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import setting


@dataclass(frozen=True)
class CsOptions:
    """Cerebras systems."""

    device: str = setting(
        "csx",
        help="csx: Cerebras systems; cpu: the same program on this machine's CPU, for tests.",
        choices=("csx", "cpu"),
    )
    systems: int = setting(1, help="Number of CS systems that train together.", minimum=1)
    workers_per_system: int = setting(1, help="Input worker processes per system.", minimum=1)
    half: str = setting(
        "bfloat16",
        help="16-bit number format that --precision bf16 stands for.",
        choices=("bfloat16", "cbfloat16"),
    )
    precision_level: int = setting(
        1,
        help="Precision optimization level: 0 is the most exact, 2 the fastest.",
        minimum=0,
        maximum=2,
    )
    validate_only: bool = setting(False, help="Check that the model can be compiled, then stop.")
    compile_only: bool = setting(False, help="Compile the model, then stop.")
    micro_batch: str = setting(
        "auto",
        help="Micro-batching of a step: auto leaves it to the compiler unless --micro-batch-size "
        "asks for accumulation, explore searches for the fastest size, none turns it off.",
        choices=("auto", "explore", "none"),
    )
    packed_rows: int = setting(
        0, help="Rows of a packed step; 0: estimated from the first steps.", minimum=0
    )
    address: str = setting(
        "", help="HOST:PORT of the cluster's management node; empty: its default."
    )
    namespace: str = setting("", help="Namespace of the cluster's management node.")
    mount_dirs: list[str] = setting(
        factory=list, help="Folders that the cluster's workers need, such as the records'."
    )
    python_paths: list[str] = setting(
        factory=list, help="Folders of Python packages that the cluster's workers need."
    )
    artifacts: str = setting(
        "cerebras_logs", help="Folder for the compiler's files and checkpoints in Cerebras' format."
    )
    keep_mdl: bool = setting(False, help="Also keep every checkpoint in Cerebras' format (.mdl).")
