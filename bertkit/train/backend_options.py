"""Settings that only one kind of machine knows, a section per backend.

Light: importing this imports no torch. A section reaches its adapter as the `options` of
`Adapter.start` and `StepPlan`; other backends never see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bertkit.config import setting

PRECISIONS = ("auto", "fp32", "tf32", "bf16", "fp16")
PRECISION_HELP = (
    "Of matrix products; weights stay fp32. auto: bf16 on GPUs that have it, fp32 elsewhere."
)


@dataclass(frozen=True)
class CudaConfig:
    """NVIDIA GPUs."""

    compile: bool | None = setting(
        None,
        help="On cuda: torch.compile the model's parts, once for each size of batches; by "
        "default in runs of 1,000 steps and more.",
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


@dataclass(frozen=True)
class HpuConfig:
    """Intel Gaudi."""

    mode: str = setting(
        "lazy",
        help="lazy collects a graph per step, eager runs operators, compile uses torch.compile.",
        choices=("lazy", "eager", "compile"),
    )
    graphs: bool = setting(
        False, help="Replay captured HPU graphs, in training and in evaluation (lazy mode only)."
    )
    max_graphs: int = setting(10, help="Graphs to keep in training.", minimum=2)
    flat_all_reduce: bool = setting(
        True,
        help="One all-reduce of all gradients per step, after accumulation; off: "
        "DistributedDataParallel.",
    )
    bucket_cap_mb: int = setting(230, help="Size of DistributedDataParallel's buckets.", minimum=1)
    compiled_autograd: bool = setting(
        False, help="Compile the backward pass as a whole too (compile mode only)."
    )
    bf16_ops: str | None = setting(
        None, help="File of operators that --precision bf16 computes in bf16, one per line."
    )
    fp32_ops: str | None = setting(
        None, help="File of operators that --precision bf16 leaves in fp32, one per line."
    )


@dataclass(frozen=True)
class IpuConfig:
    """Graphcore IPUs."""

    replicas: int = setting(
        1, help="Copies of the model that share a step, in each process.", minimum=1
    )
    ipus_per_replica: int = setting(
        0, help="IPUs of one copy; 0: as many as the layers are spread over.", minimum=0
    )
    layers_per_ipu: list[int] = setting(
        factory=list,
        help="Encoder layers on each IPU, in order; embeddings and heads on the first.",
    )
    pipeline_stages: list[str] = setting(
        factory=list,
        help="Blocks of each stage (emb, hid, enc_out, pool, heads, qa_head), instead of "
        "layers_per_ipu.",
    )
    device_mapping: list[int] = setting(
        factory=list, help="The IPU of each pipeline stage; by default stage i is on IPU i."
    )
    memory_proportion: list[float] = setting(
        factory=list, help="Share of memory for matrix products, one number or one per IPU."
    )
    device_iterations: int = setting(
        1, help="Steps per call of the engine; only 1, so that the rate can follow its schedule.",
        minimum=1,
    )  # fmt: skip
    inference_device_iterations: int = setting(
        0, help="Batches per call when evaluating and answering; 0: one per pipeline stage.",
        minimum=0,
    )  # fmt: skip
    replicated_tensor_sharding: bool = setting(
        False, help="Spread the optimizer's state over the replicas."
    )
    optimizer_state_offchip: bool = setting(True, help="Keep the state in streaming memory.")
    embedding_serialization: int = setting(
        1, help="Cut the embedding's product into so many pieces.", minimum=1
    )
    recomputation: bool = setting(True, help="Recompute activations at layer boundaries.")
    automatic_loss_scaling: bool = setting(False, help="Let the engine find the loss scale.")
    half_partials: bool = setting(
        True, help="Accumulate matrix products in fp16, with --precision fp16."
    )
    accumulation: str = setting(
        "auto",
        help="Number format in which gradients are added up; auto: that of --precision.",
        choices=("auto", "fp32", "fp16"),
    )
    stochastic_rounding: bool = setting(
        True, help="Round at random, without bias, with --precision fp16."
    )
    half_first_moment: bool = setting(False, help="Keep the first moment in fp16.")
    packing_factor: float = setting(
        1.0,
        help="With --layout packed: sequences that a row holds on average; a step takes so many "
        "times fewer rows.",
        minimum=1.0,
    )
    auto_round: bool = setting(
        False, help="Take more IPUs than needed where their number is no power of two."
    )
    simulator: bool = setting(False, help="Compute on the IPU Model instead of a device.")
    synthetic_data: bool = setting(False, help="Measure without moving data to the device.")
    compile_only: bool = setting(False, help="Compile for a machine that is not here, then end.")
    executable_cache: str | None = setting(None, help="Folder that keeps compiled programs.")


@dataclass(frozen=True)
class CsConfig:
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


def options_of(config: Any, backend: str) -> Any:
    """The section of a configuration that belongs to a backend, or None."""
    return getattr(config, backend, None)
