"""Trains one model in several processes, with torchrun and torch.distributed.

Gradients travel by DistributedDataParallel over the backend of the machine (nccl, gloo);
numbers that the host knows travel over a gloo group of their own, so that no
accelerator has to wait for them.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from bertkit import log
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.errors import BertkitError, ConfigError

_TIMEOUT = datetime.timedelta(minutes=30)  # evaluation and saving happen between collectives
_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class TorchProcessGroup(ProcessGroup):
    """The processes that torchrun started.

    Args:
        topology: this process's place among them.
    """

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology)
        self._host = dist.new_group(backend="gloo", timeout=_TIMEOUT)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added up over all processes; the same result in each of them."""
        tensor = torch.tensor(list(values), dtype=torch.float64)
        with explain_lost_process():
            dist.all_reduce(tensor, group=self._host)
        result: list[float] = tensor.tolist()
        return result

    def gather(self, item: Any) -> list[Any]:
        """Any small object of every process, in the order of their ranks."""
        found: list[Any] = [None] * self.topology.world
        with explain_lost_process():
            dist.all_gather_object(found, item, group=self._host)
        return found

    def collect(self, item: Any) -> list[Any]:
        """Any object of every process, in the order of ranks; empty but in the main one."""
        found = [None] * self.topology.world if self.topology.is_main else None
        with explain_lost_process():
            dist.gather_object(item, found, group=self._host)
        return found or []

    def close(self) -> None:
        """Leave the group; the process can then end, or start another one."""
        dist.destroy_process_group()


class explain_lost_process:
    """Turns the error of a collective call that another process left into one clear line."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, RuntimeError):
            reason = str(error).strip().splitlines()[-1][:200]
            raise BertkitError(
                f"another process of this run has died or does not respond ({reason})",
                "the first error above says why; run the same command again to resume from the "
                "last checkpoint",
            ) from error


def start_group(backend: str, distributed: bool) -> ProcessGroup:
    """Join the processes that torchrun started; alone where it did not.

    Args:
        backend: that carries gradients: gloo or nccl.
        distributed: whether the command can train in several processes.

    Raises:
        ConfigError: several processes for a command that runs in one, or an incomplete
            environment.
    """
    topology = Topology.from_environment()
    if topology.world == 1:
        return ProcessGroup()
    if not distributed:
        raise ConfigError(
            f"this command runs in one process, WORLD_SIZE is {topology.world}",
            "start it without torchrun",
        )
    missing = [name for name in _NEEDED if name not in os.environ]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {topology.world}, but {', '.join(missing)} are not set",
            "start with: torchrun --nproc-per-node N -m bertkit pretrain ...",
        )
    if not topology.is_main:
        log.setup(-1)
    dist.init_process_group(backend, timeout=_TIMEOUT)
    return TorchProcessGroup(topology)


def wrap(model: nn.Module, process_group: ProcessGroup, unused: bool) -> nn.Module:
    """The model with its gradients averaged over all processes.

    Args:
        model: on its device, the same in every process.
        process_group: alone, the model itself is returned.
        unused: some parameters get no gradient, such as a head that is not trained.
    """
    if process_group.topology.world == 1:
        return model
    return DistributedDataParallel(
        model, gradient_as_bucket_view=True, find_unused_parameters=unused
    )


def reduce_gradients(parameters: Sequence[Tensor], divisor: int = 1) -> None:
    """Add up the gradients of all processes in one call.

    Args:
        parameters: the same ones have a gradient in every process.
        divisor: of the sums.
    """
    gradients = [item.grad for item in parameters if item.grad is not None]
    flat = torch.cat([item.reshape(-1) for item in gradients])
    with explain_lost_process():
        dist.all_reduce(flat)
    if divisor != 1:
        flat /= divisor
    start = 0
    for item in gradients:
        item.copy_(flat[start : start + item.numel()].view_as(item))
        start += item.numel()
