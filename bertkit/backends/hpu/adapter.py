"""The adapter for Intel Gaudi, through habana_frameworks.torch; one process per card.

The vendor's package reads the environment once, at import, so it is imported by `start`
and never before. Names of its functions and what they refuse are those of the 1.11 to
1.23 releases (github.com/HabanaAI/gaudi-pytorch-bridge).
"""

from __future__ import annotations

import glob
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Caps, OptimizerSpec, Probe, Problem, Schedule, StepPlan, Task
from bertkit.backends.hpu import modes
from bertkit.backends.hpu.graphs import for_inference, for_training
from bertkit.backends.hpu.optimizers import NAMES, make_fused
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.hpu.step import Engine, HpuStepper
from bertkit.backends.process_group import PROCESS_TIMEOUT, Topology
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.backends.torch.processes.distributed import share_weights, start_group
from bertkit.errors import ConfigError, MissingDependencyError

VENDOR = "habana_frameworks"
# What the drivers put there, the newer name first.
DEVICE_NODES = ("/dev/accel/accel*[0-9]", "/dev/hl[0-9]*")
INSTALL = (
    "install Intel's driver and PyTorch: bash habanalabs-installer.sh install --type pytorch"
    " (docs.habana.ai), or start its Gaudi container"
)
_LAZY = modes.VARIABLE
_MPI = {
    "WORLD_SIZE": "OMPI_COMM_WORLD_SIZE",
    "RANK": "OMPI_COMM_WORLD_RANK",
    "LOCAL_RANK": "OMPI_COMM_WORLD_LOCAL_RANK",
}


class HpuAdapter(TorchAdapter):
    """Trains on Gaudi cards in lazy, eager or compile mode; bf16 needs no loss scale."""

    device = "hpu"
    caps = Caps(
        name="hpu",
        fixed_shapes=True,
        step_owner="loop",
        scalar_reads="log_step",
        layouts=("padded", "packed", "bucketed"),
        precisions=("bf16", "fp32"),
        loss_scaling=("none",),
        optimizers=frozenset(NAMES),
        shards_optimizer=True,
    )

    def __init__(self) -> None:
        super().__init__()
        self.options = HpuOptions()
        self._engine: Engine | None = None

    def probe(self) -> Probe:
        """Whether the vendor's package and a card are here; imports neither."""
        if importlib.util.find_spec(VENDOR) is None:
            return Probe("hpu", False, f"{VENDOR}.torch is not installed", hint=INSTALL)
        cards = tuple(sorted(node for pattern in DEVICE_NODES for node in glob.glob(pattern)))
        version = _version()
        if not cards:
            reason = f"{VENDOR}.torch {version} is installed, but there is no Gaudi card"
            hint = "`hl-smi` says whether the driver sees one"
            return Probe("hpu", False, reason, version=version, hint=hint)
        found = f"{len(cards)} x Gaudi, habana-torch-plugin {version}"
        return Probe("hpu", True, found, version=version, devices=cards)

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """Settings that Gaudi does not support."""
        found = super().validate(plan, optimizer)
        options = modes.decided(plan.options or HpuOptions(), modes.release())
        if options.graphs and options.mode != "lazy":
            text = f"hpu.graphs needs hpu.mode lazy, not {options.mode}"
            found.append(Problem("--set hpu.graphs", text))
        if options.compiled_autograd and options.mode != "compile":
            text = f"hpu.compiled_autograd needs hpu.mode compile, not {options.mode}"
            found.append(Problem("--set hpu.compiled_autograd", text))
        clips_before = plan.clip == "before" and plan.max_grad_norm > 0
        if clips_before and plan.shape and plan.shape.world > 1:
            text = "--clip before does not work on several hpu cards; use after"
            found.append(Problem("--clip", text))
        for name in ("bf16_ops", "fp32_ops"):
            path = getattr(options, name)
            if path and not Path(path).is_file():
                found.append(Problem(f"--set hpu.{name}", f"hpu.{name}: there is no file {path}"))
        return found

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Set the environment, import the vendor's package, and join the others of a run.

        Raises:
            ConfigError: the package was imported before with another mode; see also
                `start_group`.
            MissingDependencyError: the package is not there or does not load.
        """
        self.options = modes.decided(options or HpuOptions(), modes.release())
        set_environment(self.options)
        several = int(os.environ.get("WORLD_SIZE") or os.environ.get(_MPI["WORLD_SIZE"]) or 1) > 1
        if several:
            _require_meeting_point()
        try:
            if several:
                # Importing it also copies what mpirun says to the names that torch reads.
                hccl = importlib.import_module(f"{VENDOR}.torch.distributed.hccl")
                hccl.initialize_distributed_hpu()
            self._engine = Engine(self.options.mode)
        except (ImportError, AssertionError, OSError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise MissingDependencyError(
                f"{VENDOR}.torch does not load: {reason[0]}", INSTALL
            ) from error
        self.process_group = start_group("hccl", distributed, process_timeout)
        return self.process_group.topology

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products."""
        return matrix_flops(torch.device("hpu"), precision, wait=self.engine.finish)

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the card, with the weights of the main process.

        The word embeddings are one parameter for both ends of the model, so that nothing
        has to be tied again after the move.
        """
        placed = model.to("hpu")
        share_weights(placed, self.process_group)
        self.engine.mark()
        return placed

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The vendor's fused optimizer of that name; its state sharded if wanted."""
        return make_fused(model, spec, spec.shard and self.process_group.topology.world > 1)

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> HpuStepper:
        """Steps over a placed model.

        Raises:
            ConfigError: HPU graphs of a model of which parts are not trained.
        """
        partial_loss = not task.trains_all
        training = optimizer is not None
        if self.options.graphs and training and partial_loss:
            raise ConfigError(
                "hpu.graphs gives gradients to all parameters, --no-nsp trains some only",
                "leave out one of them",
            )
        inference = for_inference(model, task, self.options, alone=not training)
        wrapped: nn.Module = inference
        if training:
            wrapped = for_training(model, task, self.options, self.process_group, partial_loss)
        return HpuStepper(
            model=wrapped,
            task=task,
            plan=plan,
            device=torch.device("hpu"),
            optimizer=optimizer,
            schedule=schedule,
            process_group=self.process_group,
            inference=inference,
            engine=self.engine,
            options=self.options,
        )

    @property
    def engine(self) -> Engine:
        """The vendor's functions, once `start` has imported them."""
        if self._engine is None:
            raise RuntimeError("the adapter has not been started")
        return self._engine


def set_environment(options: HpuOptions) -> None:
    """What the vendor's package reads when it is imported, or at its first use.

    Raises:
        ConfigError: it was imported already, in another mode.
    """
    found = modes.release()
    wanted = {_LAZY: modes.variable_of(options.mode, found)}
    if options.bf16_ops:
        wanted["PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST"] = options.bf16_ops
    if options.fp32_ops:
        wanted["PT_HPU_AUTOCAST_FP32_OPS_LIST"] = options.fp32_ops
    given = os.environ.get(_LAZY)
    if f"{VENDOR}.torch" in sys.modules:
        # By another module, or by torch itself, which loads the packages of devices.
        read = given or modes.default_variable(found)
        if read != wanted[_LAZY]:
            text = given or f"its default, {read}"
            raise ConfigError(
                f"{VENDOR}.torch was imported with {_LAZY}={text}, hpu.mode is {options.mode}",
                f"start with {_LAZY}={wanted[_LAZY]} in the environment",
            )
    elif given not in (None, wanted[_LAZY]):
        log.logger.warning(
            "hpu.mode %s decides, not %s=%s of the environment", options.mode, _LAZY, given
        )
    os.environ.update(wanted)


def _require_meeting_point() -> None:
    """The package would take localhost for an unknown MASTER_ADDR, and wait there for ever."""
    here = os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE")
    world = os.environ.get("WORLD_SIZE") or os.environ.get(_MPI["WORLD_SIZE"])
    if here and world and int(here) < int(world) and not os.environ.get("MASTER_ADDR"):
        raise ConfigError(
            f"{world} processes on several machines, but MASTER_ADDR is not set",
            "add to mpirun: -x MASTER_ADDR=HOST -x MASTER_PORT=12345",
        )


def _version() -> str:
    return modes.version() or "of unknown version"
