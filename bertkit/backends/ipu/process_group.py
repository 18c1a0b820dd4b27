"""The process group on IPUs: poprun starts it, popdist describes it, horovod communicates."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from typing import Any

from torch import nn

from bertkit import log
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.errors import ConfigError


class PopdistProcessGroup(ProcessGroup):
    """The processes that poprun started.

    Gradients never come here: the engine adds them up over all replicas of all processes.

    Args:
        topology: this process's place among them.
        horovod: `horovod.torch`.
    """

    def __init__(self, topology: Topology, horovod: Any) -> None:
        super().__init__(topology)
        self._horovod = horovod

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added up in the order of ranks; the same result in each process."""
        return [sum(column) for column in zip(*self.gather(list(values)), strict=True)]

    def gather(self, item: Any) -> list[Any]:
        """Any small object of every process, in the order of their ranks."""
        return list(self._horovod.allgather_object(item))

    def share_weights(self, model: nn.Module) -> None:
        """Copy the weights of the first process to all others."""
        self._horovod.broadcast_parameters(model.state_dict(), root_rank=0)

    def close(self) -> None:
        """Leave the group."""
        self._horovod.shutdown()


def join_process_group(replicas: int, distributed: bool) -> ProcessGroup:
    """Join the processes that poprun started; alone where it did not.

    Args:
        replicas: of this process, by the settings.
        distributed: whether the command can work in several processes.

    Raises:
        ConfigError: several processes for a command that runs in one, another launcher, or
            another number of replicas than poprun gives each process.
    """
    if importlib.util.find_spec("popdist") is None:
        return _single_process()
    popdist = importlib.import_module("popdist")
    if not popdist.isPopdistEnvSet():
        return _single_process()
    own = int(popdist.getNumLocalReplicas())
    if own != replicas:
        raise ConfigError(
            f"poprun gives each process {own} replicas, ipu.replicas is {replicas}",
            f"set ipu.replicas to {own}, or poprun --num-replicas to replicas x instances",
        )
    world, rank = int(popdist.getNumInstances()), int(popdist.getInstanceIndex())
    if world == 1:
        return ProcessGroup()
    if not distributed:
        raise ConfigError(
            f"this command runs in one process, poprun started {world}", "start it without poprun"
        )
    # Code that checks settings reads the number of processes from these.
    os.environ.update(WORLD_SIZE=str(world), RANK=str(rank), LOCAL_RANK=str(rank))
    log.set_rank(rank)
    if rank:
        log.setup(-1)
    popdist.init()
    horovod = importlib.import_module("horovod.torch")
    horovod.init()
    return PopdistProcessGroup(Topology(world, rank, rank), horovod)


def _single_process() -> ProcessGroup:
    world = Topology.from_environment().world
    if world > 1:
        raise ConfigError(
            f"WORLD_SIZE is {world}, but IPUs are not started by torchrun",
            "start with: poprun --num-instances N --num-replicas R bertkit pretrain ...",
        )
    return ProcessGroup()
