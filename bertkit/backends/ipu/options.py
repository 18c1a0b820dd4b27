"""Settings of the IPU backend: `--set ipu.NAME=VALUE`. Light: imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.config import setting


@dataclass(frozen=True)
class IpuOptions:
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
        1,
        help="Steps per call of the engine; only 1, so that the rate can follow its schedule.",
        minimum=1,
    )
    inference_device_iterations: int = setting(
        0,
        help="Batches per call when evaluating and answering; 0: one per pipeline stage.",
        minimum=0,
    )
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
