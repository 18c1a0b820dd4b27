"""The base class of the adapters whose steps run in plain PyTorch: CPU, CUDA and Gaudi."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import Adapter, Caps, OptimizerSpec, Problem, Schedule, StepPlan, Task
from bertkit.backends.process_group import ProcessGroup
from bertkit.backends.torch.graphs.recorder import Recorder
from bertkit.backends.torch.graphs.step import GraphedStepper
from bertkit.backends.torch.host_buffers import staged
from bertkit.backends.torch.machine_errors import explained
from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.backends.torch.processes.distributed import share_weights, wrap
from bertkit.backends.torch.processes.gradient_exchange import exchange_hook
from bertkit.backends.torch.step import TorchStepper, make_scaler, plain_weights, setting_problems
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.prefetch import Prefetch
from bertkit.data.step_batch import StepBatch
from bertkit.errors import BertkitError
from bertkit.train.optimization.optimizers import is_sharded, make_optimizer


class TorchAdapter(Adapter):
    """An adapter for one torch device; subclasses add `probe` and `start`.

    Attributes:
        caps: what the backend can do.
        device: the type of the torch device.
        pins: batches and weights travel through pinned memory, in few copies.
        process_group: the processes of the run, once it has started.
    """

    caps: Caps
    device: str
    pins: bool = False

    def __init__(self) -> None:
        self.process_group = ProcessGroup()

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """Settings that the backend does not support."""
        return setting_problems(self.caps, plan, optimizer)

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products."""
        return matrix_flops(torch.device(self.device), precision)

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        return model.to(self.device)

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The named optimizer, fused; its state sharded over the processes if wanted."""
        if spec.shard and self.process_group.topology.world > 1:
            from bertkit.backends.torch.processes.sharded_optimizer import shard_optimizer

            return shard_optimizer(model, spec)
        return make_optimizer(model, spec)

    def loader(
        self, batches: Callable[[], Iterator[StepBatch]], training: bool = True
    ) -> Prefetch[StepBatch]:
        """The batches, prepared by a thread; where memory is pinned, each for a single copy."""
        return Prefetch(staged(batches()) if self.pins else batches())

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> TorchStepper:
        """Steps over a placed model, with a loss scale where fp16 needs one."""
        working = self._working_weights(model, plan)
        if (
            optimizer is not None
            and self.caps.records_steps
            and getattr(plan.options, "graphs", False)
        ):
            share_weights(model, self.process_group)
            return GraphedStepper(
                **self._parts(task, plan, optimizer, schedule),
                model=model,
                working=working,
                recorder=self.recorder(),
            )
        scaler, owners = None, None
        if optimizer is not None:
            if plan.precision == "fp16" and "none" not in self.caps.loss_scaling:
                scaler = make_scaler(self.device, plan)
            # With clip "before" the gradients travel all at once, see `TorchStepper`.
            if is_sharded(optimizer) and plan.clip != "before":
                owners = optimizer.owners  # type: ignore[attr-defined]
            half = getattr(plan.options, "gradient_exchange", "fp32") == "bf16"
            hook = exchange_hook(owners, half)
            model = wrap(model, self.process_group, unused=not task.trains_all, hook=hook)
        return TorchStepper(
            **self._parts(task, plan, optimizer, schedule),
            model=model,
            scaler=scaler,
            working=working,
            owners=owners,
        )

    def recorder(self) -> Recorder:
        """What records steps on the device, for backends whose caps say `records_steps`."""
        raise NotImplementedError

    def _working_weights(self, model: nn.Module, plan: StepPlan) -> WorkingWeights | None:
        if not self.caps.working_copies or plan.precision != "bf16":
            return None
        # Kernels of processors take layer norms' weights in float32.
        working = WorkingWeights(model, norms=self.device != "cpu")
        working.compiled = bool(getattr(plan.options, "compile", False))
        return working

    def _parts(
        self,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None,
        schedule: Schedule | None,
    ) -> dict[str, Any]:
        """What every kind of stepper takes."""
        return {
            "task": task,
            "plan": plan,
            "device": torch.device(self.device),
            "optimizer": optimizer,
            "schedule": schedule,
            "process_group": self.process_group,
            "pins": self.pins,
        }

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Plain CPU tensors."""
        return plain_weights(model, self.pins)

    def explained(self, error: BaseException) -> BertkitError | None:
        """Too little memory, or a device that fails."""
        return explained(error)

    def close(self) -> None:
        """Leave the process group."""
        self.process_group.close()
        self.process_group = ProcessGroup()
