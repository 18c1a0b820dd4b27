"""Defines the settings of the IPU backend, `--set ipu.NAME=VALUE`. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import setting


@dataclass(frozen=True)
class IpuOptions:
    """Graphcore IPUs."""

    replicas: int = setting(
        1, help="Replicas of the model in each process (data parallelism).", minimum=1
    )
    ipus_per_replica: int = setting(
        0, help="IPUs per replica; 0: as many as the layers are placed on.", minimum=0
    )
    layers_per_ipu: list[int] = setting(
        factory=list,
        help="Encoder layers on each IPU, in order; embeddings and heads on the first.",
    )
    pipeline_stages: list[str] = setting(
        factory=list,
        help="Blocks of each stage (emb, hid, enc_out, pool, heads, qa_head, glue_head), instead"
        " of layers_per_ipu.",
    )
    device_mapping: list[int] = setting(
        factory=list, help="The IPU of each pipeline stage; by default stage i is on IPU i."
    )
    memory_proportion: list[float] = setting(
        factory=list, help="Fraction of memory for matrix products, one number or one per IPU."
    )
    device_iterations: int = setting(
        1,
        help="Steps per call of the engine; must be 1, so that the learning rate is up to date.",
        minimum=1,
    )
    inference_device_iterations: int = setting(
        0,
        help="Batches per call when evaluating and answering; 0: one per pipeline stage.",
        minimum=0,
    )
    replicated_tensor_sharding: bool = setting(
        False, help="Shard the optimizer state over the replicas."
    )
    optimizer_state_offchip: bool = setting(
        True, help="Keep the optimizer state in streaming memory."
    )
    embedding_serialization: int = setting(
        1, help="Number of pieces in which the embedding's matrix product is computed.", minimum=1
    )
    recomputation: bool = setting(True, help="Recompute activations at layer boundaries.")
    automatic_loss_scaling: bool = setting(False, help="Let the engine find the loss scale.")
    half_partials: bool = setting(
        True, help="Accumulate matrix products in fp16, with --precision fp16."
    )
    accumulation: str = setting(
        "auto",
        help="Number format for gradient accumulation; auto: that of --precision.",
        choices=("auto", "fp32", "fp16"),
    )
    stochastic_rounding: bool = setting(True, help="Use stochastic rounding with --precision fp16.")
    half_first_moment: bool = setting(False, help="Keep the optimizer's first moment in fp16.")
    packing_factor: float = setting(
        1.0,
        help="With --layout packed: average number of sequences per row; the rows per step are "
        "divided by it.",
        minimum=1.0,
    )
    auto_round: bool = setting(
        False, help="Allow more IPUs than needed where their number is not a power of two."
    )
    simulator: bool = setting(False, help="Run on the IPU Model, a simulator, instead of a device.")
    synthetic_data: bool = setting(
        False, help="Use synthetic data on the device, to measure speed without data transfer."
    )
    compile_only: bool = setting(
        False, help="Compile for an IPU system that this machine does not have, then stop."
    )
    executable_cache: str | None = setting(None, help="Folder to cache compiled programs in.")
