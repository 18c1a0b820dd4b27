"""Settings of the Cerebras backend: `--set cs.NAME=VALUE`. Light: imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.config import setting


@dataclass(frozen=True)
class CsOptions:
    """Cerebras systems."""

    device: str = setting(
        "csx",
        help="csx: the systems; cpu: the same program on this machine's processor, for tests.",
        choices=("csx", "cpu"),
    )
    systems: int = setting(1, help="CS systems that share a step.", minimum=1)
    workers_per_system: int = setting(1, help="Processes that feed one system.", minimum=1)
    half: str = setting(
        "bfloat16",
        help="The half type of --precision bf16.",
        choices=("bfloat16", "cbfloat16"),
    )
    precision_level: int = setting(
        1, help="0 computes most exactly, 2 fastest.", minimum=0, maximum=2
    )
    validate_only: bool = setting(False, help="Check that the model can be compiled, then end.")
    compile_only: bool = setting(False, help="Compile the model, then end.")
    micro_batch: str = setting(
        "auto",
        help="How a step's batch is cut: auto leaves it to the compiler unless --micro-batch-size "
        "asks for accumulation, explore searches for the fastest, none never cuts.",
        choices=("auto", "explore", "none"),
    )
    packed_rows: int = setting(
        0, help="Rows of a packed step; 0: estimated from the first steps.", minimum=0
    )
    address: str = setting("", help="HOST:PORT of the cluster's management; empty: its default.")
    namespace: str = setting("", help="Namespace of the cluster's management.")
    mount_dirs: list[str] = setting(
        factory=list, help="Folders that the cluster's workers need, such as the records'."
    )
    python_paths: list[str] = setting(
        factory=list, help="Folders of Python packages that the cluster's workers need."
    )
    artifacts: str = setting(
        "cerebras_logs", help="Folder for the compiler's files and checkpoints in Cerebras' form."
    )
    keep_mdl: bool = setting(False, help="Keep every checkpoint in Cerebras' form too.")
