"""The adapter for Cerebras systems (cerebras.pytorch 2.x); one process drives them all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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
from bertkit.backends.cs import rules
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.cs.schedule import EngineSchedule
from bertkit.backends.cs.session import CsLoader, explain_errors
from bertkit.backends.cs.state import Snapshots
from bertkit.backends.cs.step import CsStepper
from bertkit.backends.process_group import PROCESS_TIMEOUT, ProcessGroup, Topology
from bertkit.data.step_batch import StepBatch
from bertkit.errors import ConfigError
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.optimizers import parameter_groups
from bertkit.train.optimization.schedule import Schedule as PiecewiseSchedule

_PACKAGE = "cerebras-pytorch"
_INSTALL = "with Python 3.11: pip install 'cerebras-pytorch==2.10.0' (it brings torch 2.4)"
_HALF = {"fp16": "float16"}


class CsAdapter(Adapter):
    """Trains on Cerebras systems, or runs the same program on this machine's processor.

    Attributes:
        process_group: this process alone.
    """

    caps = Caps(
        name="cs",
        fixed_shapes=True,
        step_owner="device",
        scalar_reads="closure",
        layouts=("padded", "bucketed", "packed"),
        precisions=("bf16", "fp16", "fp32"),
        loss_scaling=("dynamic", "static"),
        optimizers=frozenset({"adamw", UNCORRECTED, "sgd", "momentum", "no_debias_clamp10"}),
        body_runs_once=True,
        one_batch=True,
    )

    def __init__(self) -> None:
        self.process_group = ProcessGroup()
        self._options = CsOptions()
        self._backend: Any = None
        self._plan = StepPlan()
        self._forward: dict[nn.Module, Any] = {}
        self._snapshots: Snapshots | None = None

    def probe(self) -> Probe:
        """Whether the package is here and fits torch; imports nothing of it."""
        try:
            found = importlib.util.find_spec("cerebras.pytorch")
        except ModuleNotFoundError:
            found = None
        if found is None:
            reason = f"the package {_PACKAGE} is not installed"
            return Probe("cs", False, reason, hint=_INSTALL)
        try:
            version = importlib.metadata.version(_PACKAGE)
            needed = importlib.metadata.requires(_PACKAGE) or []
        except importlib.metadata.PackageNotFoundError:
            version, needed = "", []
        own = torch.__version__.partition("+")[0]
        wanted = [line for line in needed if line.startswith("torch==")]
        if wanted and f"torch=={own}" not in wanted:
            reason = f"{_PACKAGE} {version} needs {wanted[0]}, here is {own}"
            return Probe("cs", False, reason, version, hint=f"in a new environment, {_INSTALL}")
        return Probe("cs", True, f"{_PACKAGE} {version}", version, offline=True)

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """All settings that the systems do not support."""
        return rules.problems(self.caps, plan, optimizer)

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Make the engine's one backend, or take the one that this process has.

        Raises:
            ConfigError: this process has one of another kind; or torchrun started several.
            MissingDependencyError: the cluster cannot be reached.
        """
        if Topology.from_environment().world > 1:
            raise ConfigError(
                "cs runs in one process, for all systems",
                "start it without torchrun and give --set cs.systems=N",
            )
        self._options = options or CsOptions()
        self._backend = _backend(self._options)
        folder = Path(self._options.artifacts) / "checkpoints"
        self._snapshots = Snapshots(
            _cstorch(), str(folder), self._options.keep_mdl, self._backend.is_csx
        )
        return self.process_group.topology

    def peak_flops(self, precision: str) -> float:
        """Not offered: products alone cannot be timed from outside."""
        raise ConfigError("--measure-peak does not work on cs", "leave it out")

    def place(self, model: nn.Module) -> nn.Module:
        """The model, its parameters with the engine."""
        if self._backend is None:
            self.start()
        if model not in self._forward:
            self._forward[model] = _cstorch().compile(model, self._backend)
        return model

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The engine's optimizer of that name.

        Its AdamW adds eps before the bias correction, other systems after it.
        """
        groups = parameter_groups(model, spec)
        kinds = _cstorch().optim
        betas = (spec.beta1, spec.beta2)
        made: torch.optim.Optimizer
        if spec.name in ("sgd", "momentum"):
            made = kinds.SGD(groups, lr=0.0, momentum=spec.beta1 if spec.name != "sgd" else 0.0)
        elif spec.name in ("adamw", UNCORRECTED):
            correct = spec.name == "adamw"
            made = kinds.AdamW(groups, lr=0.0, betas=betas, eps=spec.eps, correct_bias=correct)
        elif spec.name == "no_debias_clamp10":
            made = kinds.Lamb(groups, lr=0.0, betas=betas, eps=spec.eps)
        else:
            raise ConfigError(f"cs has no optimizer {spec.name}")
        return made

    def loader(self, batches: Callable[[], Iterator[StepBatch]], training: bool = True) -> CsLoader:
        """The batches, read by the engine's own loader."""
        plan = self._plan
        length = plan.shape.sequence_length if plan.shape else 0
        rows = self._options.packed_rows
        return CsLoader(
            _cstorch(),
            batches,
            training=training,
            layout=plan.layout,
            length=length,
            packed_rows=rows,
        )

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> CsStepper:
        """Steps over a placed model."""
        cstorch, options = _cstorch(), self._options
        if self._snapshots is None:
            raise RuntimeError("the adapter was not started")
        self._plan = plan
        if plan.precision != "fp32":
            cstorch.amp.set_half_dtype(_HALF.get(plan.precision, options.half))
        rates, scaler = None, None
        if optimizer is not None:
            if not isinstance(schedule, PiecewiseSchedule):
                raise TypeError("cs computes rates itself and needs a schedule in pieces")
            rates = EngineSchedule(cstorch, optimizer, schedule)
            scaler = self._scaler(plan)
        if self._backend.is_csx:
            cstorch.backends.csx.performance.micro_batch_size = _micro_batch(plan, options)
            cstorch.backends.csx.precision.optimization_level = options.precision_level
        return CsStepper(
            cstorch,
            self._backend,
            model=model,
            forward=self._forward[model],
            task=task,
            plan=plan,
            snapshots=self._snapshots,
            optimizer=optimizer,
            schedule=schedule,
            rates=rates,
            scaler=scaler,
        )

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Plain CPU tensors, as they left the engine at the last checkpoint."""
        if self._snapshots is None:
            raise RuntimeError("the adapter was not started")
        return self._snapshots.weights(model)

    def close(self) -> None:
        """Nothing: the engine leaves its systems when the process ends."""

    def _scaler(self, plan: StepPlan) -> Any:
        """Loss scaling, which fp16 and cbfloat16 need; the processor has none."""
        cbfloat = plan.precision == "bf16" and self._options.half == "cbfloat16"
        if not self._backend.is_csx or not (cbfloat or plan.precision == "fp16"):
            return None
        return _cstorch().amp.GradScaler(loss_scale=plan.loss_scale or "dynamic")


def _cstorch() -> Any:
    import cerebras.pytorch

    return cerebras.pytorch


def _backend(options: CsOptions) -> Any:
    """The process's backend; there can be only one."""
    cstorch = _cstorch()
    kind = options.device.upper()
    try:
        now = cstorch.backend()  # without arguments the one that exists
    except RuntimeError:
        now = None
    if now is not None:
        compiles = not (options.validate_only or options.compile_only)
        if now.backend_type.name != kind or now.is_e2e_execution != compiles:
            raise ConfigError("this process has a Cerebras backend of another kind already")
        now.artifact_dir = Path(options.artifacts)
        return now
    if kind == "CPU":
        return cstorch.backend("CPU", artifact_dir=options.artifacts)
    # The compiler's programs lie beside this Python, which need not be on the path.
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])
    with explain_errors():
        cluster = cstorch.distributed.ClusterConfig(
            mgmt_address=options.address or None,
            mgmt_namespace=options.namespace or None,
            num_csx=options.systems,
            num_workers_per_csx=options.workers_per_system,
            mount_dirs=list(options.mount_dirs),
            python_paths=list(options.python_paths),
        )
        return cstorch.backend(
            "CSX",
            artifact_dir=options.artifacts,
            compile_only=options.compile_only,
            validate_only=options.validate_only,
            cluster_config=cluster,
        )


def _micro_batch(plan: StepPlan, options: CsOptions) -> str | int | None:
    """How the engine cuts a step's batch."""
    if options.micro_batch == "none":
        return None
    shape = plan.shape
    if options.micro_batch == "auto" and shape is not None and shape.accumulation > 1:
        return shape.micro_batch_size
    return options.micro_batch
