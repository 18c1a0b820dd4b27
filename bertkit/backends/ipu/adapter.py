"""The adapter for Graphcore IPUs: PopTorch compiles a whole step, and one call runs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import (
    Adapter,
    Caps,
    OptimizerSpec,
    Probe,
    Problem,
    Schedule,
    StepPlan,
    Task,
)
from bertkit.backends.ipu import rules
from bertkit.backends.ipu.engine_options import poptorch
from bertkit.backends.ipu.model import place_stages, serialise_embedding
from bertkit.backends.ipu.optimizers import ChosenOptimizer, engine_optimizer
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import make_pipeline
from bertkit.backends.ipu.process_group import PopdistProcessGroup, join_process_group
from bertkit.backends.ipu.step import AttachedModel, IpuStepper
from bertkit.backends.process_group import PROCESS_TIMEOUT, ProcessGroup, Topology
from bertkit.backends.torch.step import plain_weights
from bertkit.data.prefetch import Prefetch
from bertkit.data.step_batch import StepBatch
from bertkit.errors import MissingDependencyError
from bertkit.train.optimization.optimizers import NAMES

_INSTALL = (
    "install the Poplar SDK and source its enable.sh, then:"
    " pip install POPLAR_SDK/poptorch-VERSION.whl"
)


class IpuAdapter(Adapter):
    """Trains on the IPUs of one replica or many.

    Attributes:
        process_group: the processes of the run, once it has started.
    """

    caps = Caps(
        name="ipu",
        fixed_shapes=True,
        step_owner="device",
        scalar_reads="free",
        layouts=("padded", "packed"),
        precisions=("fp32", "fp16"),
        loss_scaling=("static", "automatic"),
        optimizers=frozenset(NAMES) - {"momentum"},
        body_runs_once=True,
    )

    def __init__(self) -> None:
        self.process_group = ProcessGroup()
        self._attached = AttachedModel()
        self._several = False
        self._slots = 1

    def probe(self) -> Probe:
        """Whether PopTorch and IPUs are here; asks the engine only where it is installed."""
        if importlib.util.find_spec("poptorch") is None:
            return Probe("ipu", False, "the package poptorch is not installed", hint=_INSTALL)
        try:
            version = importlib.metadata.version("poptorch")
        except importlib.metadata.PackageNotFoundError:
            version = ""
        try:
            here = bool(poptorch().ipuHardwareIsAvailable())
        except Exception as error:  # a broken SDK raises what it likes
            reason = f"poptorch {version} does not load: {str(error).partition(chr(10))[0]}"
            return Probe("ipu", False, reason, version, hint=_INSTALL)
        if here:
            number = poptorch().ipuHardwareVersion()
            devices = (f"IPU Mk{number}",)
            return Probe("ipu", True, f"poptorch {version}, {devices[0]}", version, devices)
        if os.environ.get("POPTORCH_IPU_MODEL", "0") not in ("", "0"):
            return Probe("ipu", True, f"poptorch {version}, the IPU Model", version, ("IPU Model",))
        return Probe(
            "ipu",
            False,
            f"poptorch {version} finds no IPU",
            version,
            hint="`gc-info -l` lists the IPUs; without any, --set ipu.compile_only=true compiles"
            " and --set ipu.simulator=true computes on the IPU Model",
            offline=True,
        )

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """All settings that IPUs do not support."""
        return rules.problems(self.caps, plan, optimizer)

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Join the processes that poprun started.

        Raises:
            MissingDependencyError: there is no IPU, and one is needed.
        """
        settings = options or IpuOptions()
        probe = self.probe()
        if not (probe.present or settings.compile_only or settings.simulator):
            raise MissingDependencyError(f"no backend ipu here: {probe.reason}", probe.hint)
        self.process_group = join_process_group(settings.replicas, distributed)
        self._several = isinstance(self.process_group, PopdistProcessGroup)
        return self.process_group.topology

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products on one IPU."""
        size, products, half = 2048, 64, precision == "fp16"
        matrix = torch.full((size, size), 1 / size)
        chain = _Products(matrix.half() if half else matrix, products)
        self._attached.detach()
        executor = poptorch().inferenceModel(chain)
        rows = torch.ones(size, size)
        rows = rows.half() if half else rows
        executor(rows)
        begin = time.perf_counter()
        executor(rows)
        seconds = time.perf_counter() - begin
        executor.detachFromDevice()
        executor.destroy()
        return products * 2 * size**3 / seconds

    def place(self, model: nn.Module) -> nn.Module:
        """The model as it is: the engine uploads it when it is compiled."""
        return model

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The optimizer's name and groups; `build` makes the engine's own."""
        return ChosenOptimizer(model, spec)

    def loader(
        self, batches: Callable[[], Iterator[StepBatch]], training: bool = True
    ) -> Prefetch[StepBatch]:
        """The batches, prepared by a thread; for evaluation, enough of them for a call."""
        found = batches()
        return Prefetch(found if training else _grouped(found, self._slots))

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> IpuStepper:
        """Steps over a model, with its stages and number formats set."""
        if plan.model is None:
            raise RuntimeError("IPUs need the sizes of the model in the plan")
        options = plan.options or IpuOptions()
        pipeline = make_pipeline(options, plan.model.num_hidden_layers)
        place_stages(model, pipeline, options.recomputation and optimizer is not None)
        serialise_embedding(model, options.embedding_serialization)
        if isinstance(self.process_group, PopdistProcessGroup) and optimizer is not None:
            self.process_group.share_weights(model)
        if plan.precision == "fp16":
            model.half()
        made = None
        if isinstance(optimizer, ChosenOptimizer):
            made = engine_optimizer(optimizer, plan, options)
        stepper = IpuStepper(
            model=model,
            task=task,
            plan=plan,
            options=options,
            pipeline=pipeline,
            attached=self._attached,
            process_group=self.process_group,
            several=self._several,
            optimizer=made,
            schedule=schedule,
        )
        self._slots = stepper.slots
        return stepper

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Plain float32 tensors on the host, as last fetched from the IPUs."""
        return {name: value.float() for name, value in plain_weights(model).items()}

    def close(self) -> None:
        """Free the IPUs and leave the process group."""
        self._attached.detach()
        self.process_group.close()
        self.process_group = ProcessGroup()


class _Products(nn.Module):
    """Matrix products one after the other."""

    def __init__(self, matrix: Tensor, count: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)
        self.count = count

    def forward(self, rows: Tensor) -> Tensor:
        """[N, N] times the matrix, `count` times; its sum."""
        for _ in range(self.count):
            rows = torch.matmul(rows, self.matrix)
        return rows.sum().reshape(1)


def _grouped(batches: Iterator[StepBatch], size: int) -> Iterator[StepBatch]:
    """Batches of up to `size` micro-batches each."""
    parts = ((micro, batch.next_position) for batch in batches for micro in batch.micro_batches)
    while group := list(itertools.islice(parts, size)):
        yield StepBatch([micro for micro, _ in group], group[-1][1])
