"""NVIDIA GPUs through PyTorch. One process per GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bertkit.backends.base import Caps, OptimizerSpec, Probe, Problem, Schedule, StepPlan, Task
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.adapter import LoopAdapter
from bertkit.backends.torch.distributed import start_group
from bertkit.backends.torch.step import LoopStepper
from bertkit.train.optimizers import NAMES


class CudaAdapter(LoopAdapter):
    """Trains on one GPU; fp32 products use TF32, fp16 gets a dynamic loss scale."""

    device = "cuda"
    caps = Caps(
        name="cuda",
        fixed_shapes=False,
        step_owner="loop",
        scalar_reads="log_step",
        layouts=("unpadded", "padded", "bucketed", "packed"),
        precisions=("bf16", "fp16", "fp32"),
        loss_scaling=("dynamic", "static"),
        optimizers=frozenset(NAMES),
        shards_optimizer=True,
        constant_totals=True,
        recomputes=True,
        profiles=True,
    )

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """Settings that it cannot do."""
        problems = super().validate(plan, optimizer)
        if _compiles(plan) and plan.layout == "unpadded" and plan.precision == "fp32":
            text = (
                "--compile does not work with --precision fp32 in the unpadded layout, whose"
                " attention kernels take half precision; use --precision bf16 or --layout padded"
            )
            problems.append(Problem("--compile", text))
        return problems

    def probe(self) -> Probe:
        """Whether a GPU can be used, and why not."""
        version = f"torch {torch.__version__}"
        if torch.version.cuda is None:
            return Probe(
                "cuda",
                False,
                f"{version} was built without CUDA",
                hint="install a CUDA build of torch, see https://pytorch.org/get-started",
            )
        if not torch.cuda.is_available():
            return Probe(
                "cuda",
                False,
                f"{version} with CUDA {torch.version.cuda} finds no usable GPU",
                hint="`nvidia-smi` says whether the driver sees one",
            )
        names = tuple(
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        )
        found = f"{len(names)} x {names[0]}, CUDA {torch.version.cuda}"
        return Probe("cuda", True, found, version=version, devices=names)

    def start(self, options: Any = None, distributed: bool = False) -> Topology:
        """Let fp32 products use TF32, take this process's GPU, and join the others of a run."""
        torch.set_float32_matmul_precision("high")
        torch.cuda.set_device(Topology.from_environment().local_rank)
        self.peers = start_group("nccl", distributed)
        return self.peers.topology

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> LoopStepper:
        """Steps over a placed model, compiled for the one shape of its batches if wanted."""
        if _compiles(plan):
            model = torch.compile(model, dynamic=False)  # type: ignore[assignment]
        return super().build(model, task, plan, optimizer, schedule)


def _compiles(plan: StepPlan) -> bool:
    return bool(getattr(plan.options, "compile", False))
