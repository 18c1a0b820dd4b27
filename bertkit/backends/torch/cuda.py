"""The adapter for NVIDIA's and AMD's GPUs, through PyTorch; one process per GPU.

PyTorch's ROCm builds call AMD's GPUs cuda, and so does this.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bertkit.backends.base import (
    Caps,
    OptimizerSpec,
    Probe,
    Problem,
    Schedule,
    StepPlan,
    Task,
)
from bertkit.backends.process_group import PROCESS_TIMEOUT, Topology
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.fused.one_pass_update import one_pass_update
from bertkit.backends.torch.fused.rules import against_fused, require_fp8
from bertkit.backends.torch.graphs.recorder import CudaRecorder, Recorder
from bertkit.backends.torch.graphs.rules import against_graphs, against_totals, is_fine_tuning
from bertkit.backends.torch.options import CudaOptions
from bertkit.backends.torch.processes.distributed import start_group
from bertkit.backends.torch.step import TorchStepper
from bertkit.errors import MissingDependencyError
from bertkit.model.bert import Embeddings, EncoderLayer
from bertkit.model.heads import BertForPreTraining
from bertkit.train.agreement import told_by_main
from bertkit.train.optimization.optimizers import NAMES

_HAS_BF16 = 8  # compute capability
_WORTH_COMPILING = 1000  # steps
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class CudaAdapter(TorchAdapter):
    """Trains on one GPU.

    bf16 computes with half precision copies of the weights, fp16 by autocast and with a
    loss scale; fp32 is exact, tf32 rounds the factors of its products to 10 bits.
    """

    device = "cuda"
    pins = True
    caps = Caps(
        name="cuda",
        fixed_shapes=False,
        step_owner="loop",
        scalar_reads="log_step",
        layouts=("unpadded", "padded", "bucketed", "packed"),
        precisions=("bf16", "fp16", "fp32", "tf32"),
        loss_scaling=("dynamic", "static"),
        optimizers=frozenset(NAMES),
        shards_optimizer=True,
        constant_totals=True,
        recomputes=True,
        profiles=True,
        skips_nonfinite=True,
        copies_out=True,
        working_copies=True,
        records_steps=True,
    )

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """Settings that the backend does not support."""
        found = super().validate(plan, optimizer)
        found += against_fused(plan)
        if getattr(plan.options, "graphs", False):
            found += against_graphs(plan, optimizer)
        if getattr(plan.options, "totals", 0):
            found += against_totals(plan)
        return found

    def best_precision(self, hidden_size: int) -> str:
        """bf16 where the GPU has units for it, and where there is no GPU to be asked."""
        if torch.version.hip is not None or not torch.cuda.is_available():
            return "bf16"
        return "fp32" if torch.cuda.get_device_capability()[0] < _HAS_BF16 else "bf16"

    def settled_options(self, options: CudaOptions, size: RunSize) -> CudaOptions:
        """The settings, saying whether passes are recorded, the model compiled, its layers fused.

        Passes are recorded where the main process's host would be the limit, the model is
        compiled where it pays in so many steps, and layers are fused where a trial on that
        process's GPU says so; the first and the last stay open where nothing is to be computed
        now. A run that is resumed goes on as it began, also where it has more steps now.
        """
        if options.graphs is None:
            found = told_by_main(self.process_group, lambda: self._choose_graphs(options, size))
            options = replace(options, graphs=found)
        if options.compile is None:
            from bertkit.backends.torch.compiled import can_compile

            began = (size.before or {}).get("compile")
            pays = _pays_to_compile(size, bool(options.graphs)) if began is None else bool(began)
            options = replace(options, compile=pays and can_compile())
        if options.fused is None and options.fp8:
            options = replace(options, fused=True)
        if options.fused is None:
            found = told_by_main(self.process_group, lambda: self._choose_fused(options, size))
            options = replace(options, fused=found)
        return options

    def _choose_graphs(self, options: CudaOptions, size: RunSize) -> bool | None:
        from bertkit.backends.torch.graphs.choice import choose_graphs

        _allow_tf32(size.precision)
        index = Topology.from_environment().local_rank
        return choose_graphs(options, size, self.device_memory(), index)

    def _choose_fused(self, options: CudaOptions, size: RunSize) -> bool | None:
        from bertkit.backends.torch.fused.choice import choose_fused

        index = Topology.from_environment().local_rank
        return choose_fused(size, bool(options.compile), not options.totals, index)

    def device_memory(self) -> int:
        """Bytes of this process's GPU; 0 where there is none."""
        if not torch.cuda.is_available():
            return 0
        index = min(Topology.from_environment().local_rank, torch.cuda.device_count() - 1)
        return int(torch.cuda.get_device_properties(index).total_memory)

    def probe(self) -> Probe:
        """Whether a GPU can be used, and why not."""
        version = f"torch {torch.__version__}"
        if torch.version.cuda is None and torch.version.hip is None:
            return Probe(
                "cuda",
                False,
                f"{version} was built without CUDA and without ROCm",
                hint="install a build of torch for your GPU, see https://pytorch.org/get-started",
            )
        amd = torch.version.hip is not None
        library = f"ROCm {torch.version.hip}" if amd else f"CUDA {torch.version.cuda}"
        if not torch.cuda.is_available():
            tool = "rocm-smi" if amd else "nvidia-smi"
            return Probe(
                "cuda",
                False,
                f"{version} with {library} finds no usable GPU",
                hint=f"`{tool}` says whether the driver sees one",
            )
        names = tuple(
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        )
        found = f"{len(names)} x {names[0]}, {library}"
        return Probe("cuda", True, found, version=version, devices=names)

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Take this process's GPU, and join the others of a run."""
        if getattr(options, "deterministic", False):
            _be_deterministic()
        # cuDNN makes a plan for every new shape of a masked batch, half a second each.
        torch.backends.cuda.enable_cudnn_sdp(False)
        # In kernels of PyTorch too, products are added to sums in one operation. From 3.10 on
        # Triton does that only where it is told, and 3.9 warns that nobody has said.
        os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
        index = Topology.from_environment().local_rank
        _require_device(index)
        torch.cuda.set_device(index)
        self.process_group = start_group(
            "nccl", distributed, process_timeout, torch.device("cuda", index)
        )
        return self.process_group.topology

    def recorder(self) -> Recorder:
        """PyTorch's CUDA graphs on this process's GPU."""
        return CudaRecorder(torch.device("cuda", torch.cuda.current_device()))

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products."""
        _allow_tf32(precision)
        return super().peak_flops(precision)

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> TorchStepper:
        """Steps over a placed model, its parts compiled if wanted."""
        _allow_tf32(plan.precision)
        fp8 = bool(getattr(plan.options, "fp8", False))
        # Tasks that leave the choice open are not asked for it; 8 bits bring the kernels along.
        fused = fp8 or bool(getattr(plan.options, "fused", False))
        for module in model.modules():
            if isinstance(module, (Embeddings, EncoderLayer, BertForPreTraining)):
                module.fused = fused
            if isinstance(module, EncoderLayer):
                module.fp8 = fp8
        if fp8 and plan.model is not None:
            require_fp8(plan.model, torch.device("cuda", torch.cuda.current_device()))
        if getattr(plan.options, "compile", False):
            from bertkit.backends.torch.compiled import compile_parts

            compile_parts(model, dynamic=plan.layout == "unpadded" and not _all_are_filled(plan))
        stepper = super().build(model, task, plan, optimizer, schedule)
        if fused:
            world = self.process_group.topology.world
            stepper.one_pass = one_pass_update(optimizer, stepper.working, world)
        return stepper


def _all_are_filled(plan: StepPlan) -> bool:
    """Whether unpadded passes have few sizes; fine-tuning's predictions have any."""
    return bool(plan.options.totals) and not is_fine_tuning(plan)


def _pays_to_compile(size: RunSize, recorded: bool) -> bool:
    """Whether a run is long enough for what the compiler takes."""
    if not recorded:
        return size.steps >= _WORTH_COMPILING
    from bertkit.backends.torch.graphs.choice import worth_compiling

    return worth_compiling(size)


def _require_device(index: int) -> None:
    """Check that this process's GPU is among those it sees.

    Raises:
        MissingDependencyError: it is not.
    """
    count = torch.cuda.device_count()
    if index >= count:
        seen = [f"{name}={os.environ[name]}" for name in _VISIBLE if name in os.environ]
        limit = f" ({', '.join(seen)})" if seen else ""
        raise MissingDependencyError(
            f"LOCAL_RANK is {index}, but this process sees {count}"
            f" {'GPU' if count == 1 else 'GPUs'}{limit}",
            "start as many processes per machine as it has GPUs, and let each of them see all:"
            " with srun --gpus-per-node, not --gpus-per-task",
        )


def _allow_tf32(precision: str) -> None:
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


def _be_deterministic() -> None:
    """Take kernels that give the same bits every time, or raise where there are none.

    Has to come before CUDA's libraries start.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Rows that nobody reads need no fixed content.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
