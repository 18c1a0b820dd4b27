"""The adapter for CPUs, through PyTorch."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Caps, Probe, Schedule, StepPlan, Task
from bertkit.backends.process_group import PROCESS_TIMEOUT, Topology
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.processes.distributed import start_group
from bertkit.backends.torch.step import TorchStepper
from bertkit.system import container_limits, processor
from bertkit.system.allocator import keep_freed_memory
from bertkit.system.processes import core_count
from bertkit.train.optimization.optimizers import NAMES

# Hidden size from which on bf16 is faster: with Intel's tiles 1.2 times at 128, 2.8 at 768 (0.6
# at 32), with AMD's units 1.9 and 2.0. Intel's AVX-512 alone makes bf16 slower at each of these.
_WORTH = 128
# Who sets these has chosen the number of threads; torchrun does.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def has_bf16() -> bool:
    """Whether products of bf16 matrices run in hardware (AVX-512 BF16, AMX, or ARM's).

    Of an ARM processor whose system does not list its instructions it is assumed.
    """
    if platform.machine() in ("arm64", "aarch64"):
        return "bf16" in (processor.features() or "bf16")
    return _has("_is_avx512_bf16_supported") or _has("_is_amx_tile_supported")


def bf16_pays() -> bool:
    """Whether units for bf16 make products that much faster that whole models are.

    Intel's tiles (AMX) make them five times as fast as fp32, AMD's AVX-512 twice; Intel's
    AVX-512 has as many operations of both.
    """
    return _has("_is_amx_tile_supported") or (
        _has("_is_avx512_bf16_supported") and processor.is_amd()
    )


def _has(test: str) -> bool:
    """What PyTorch says of the processor; False where this PyTorch does not know."""
    known = getattr(torch.cpu, test, None)
    return bool(known and known())


def limit_threads() -> int:
    """Start no more threads than a container gives time for; returns their number.

    PyTorch sees the machine's cores. Threads that the container's limit stops in the midst of a
    product are waited for by all others.
    """
    limit = container_limits.cores()
    if limit is not None and not any(name in os.environ for name in _THREADS):
        torch.set_num_threads(min(torch.get_num_threads(), core_count()))
    return torch.get_num_threads()


class CpuAdapter(TorchAdapter):
    """Trains on the processor's cores, through oneDNN and OpenMP."""

    device = "cpu"
    caps = Caps(
        name="cpu",
        fixed_shapes=False,
        step_owner="loop",
        scalar_reads="free",
        layouts=("unpadded", "padded", "bucketed", "packed"),
        precisions=("fp32", "bf16"),
        loss_scaling=("none",),
        optimizers=frozenset(NAMES),
        shards_optimizer=True,
        recomputes=True,
        profiles=True,
        skips_nonfinite=True,
        working_copies=True,
    )

    def probe(self) -> Probe:
        """Always present; reports threads and fast number formats."""
        threads = limit_threads()
        capability = torch.backends.cpu.get_cpu_capability()
        bf16 = "bf16 in hardware" if has_bf16() else "no bf16 instructions"
        found = f"{log.counted(threads, 'thread')}, {capability}, {bf16}"
        name = platform.processor() or platform.machine()
        return Probe(
            self.caps.name, True, found, version=f"torch {torch.__version__}", devices=(name,)
        )

    def best_precision(self, hidden_size: int) -> str:
        """bf16 where the processor's units for it pay and the model is not minute."""
        return "bf16" if hidden_size >= _WORTH and bf16_pays() else "fp32"

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Keep freed memory in the process, and join the process group."""
        limit_threads()
        if "GLIBC_TUNABLES" not in os.environ:
            keep_freed_memory()
        self.process_group = start_group("gloo", distributed, process_timeout)
        return self.process_group.topology

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> TorchStepper:
        """Steps over a model; warns where a precision would be emulated."""
        if plan.precision == "bf16" and not has_bf16():
            log.logger.warning(
                "this CPU has no bf16 instructions: --precision bf16 will be many times slower"
                " than fp32"
            )
        return super().build(model, task, plan, optimizer, schedule)
