"""What the adapters share whose steps Python runs itself: the CPU's and CUDA's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from bertkit.backends.base import Caps, OptimizerSpec, Problem, Schedule, StepPlan, Task
from bertkit.backends.process_group import Peers
from bertkit.backends.torch.distributed import wrap
from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.backends.torch.step import LoopStepper, make_scaler, plain_weights, setting_problems
from bertkit.data.prefetch import Prefetch
from bertkit.data.step_batch import StepBatch
from bertkit.train.optimizers import make_optimizer


class LoopAdapter:
    """An adapter for one torch device; subclasses find it (`probe`) and open it (`start`).

    Attributes:
        caps: what the backend can do.
        device: the type of the torch device.
        peers: the processes of the run, once it has started.
    """

    caps: Caps
    device: str

    def __init__(self) -> None:
        self.peers = Peers()

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """Settings that the machine cannot do."""
        return setting_problems(self.caps, plan, optimizer)

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products."""
        return matrix_flops(torch.device(self.device), precision)

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        return model.to(self.device)

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The named optimizer, fused; its state dealt out to the processes if wanted."""
        if spec.shard and self.peers.topology.world > 1:
            from bertkit.backends.torch.sharded_optimizer import shard_optimizer

            return shard_optimizer(model, spec)
        return make_optimizer(model, spec)

    def loader(
        self, batches: Callable[[], Iterator[StepBatch]], training: bool = True
    ) -> Prefetch[StepBatch]:
        """The batches, prepared by a thread."""
        return Prefetch(batches())

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: torch.optim.Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> LoopStepper:
        """Steps over a placed model, with a loss scale where fp16 needs one."""
        scaler = None
        if optimizer is not None:
            if plan.precision == "fp16" and "none" not in self.caps.loss_scaling:
                scaler = make_scaler(self.device, plan)
            model = wrap(model, self.peers, unused=not task.trains_all)
        device = torch.device(self.device)
        return LoopStepper(model, task, plan, device, optimizer, schedule, self.peers, scaler)

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Plain CPU tensors."""
        return plain_weights(model)

    def close(self) -> None:
        """Leave the other processes."""
        self.peers.close()
