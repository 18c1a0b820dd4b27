"""Collectives of the device. Importing this reads mpirun's environment, as the real one does."""

import os

import torch
import torch.distributed as dist

from habana_frameworks.torch import _engine

_MPI = {
    "OMPI_COMM_WORLD_LOCAL_RANK": "LOCAL_RANK",
    "OMPI_COMM_WORLD_SIZE": "WORLD_SIZE",
    "OMPI_COMM_WORLD_RANK": "RANK",
}


def initialize_distributed_hpu(world_size=None, rank=None, local_rank=None):
    """(world size, rank, local rank); (1, -1, -1) where no launcher started this process."""
    given = (world_size, rank, local_rank)
    environment = os.environ
    if None not in given:
        names = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
        environment.update(dict(zip(names, map(str, given), strict=True)))
    elif set(_MPI) <= environment.keys() and not set(_MPI.values()) <= environment.keys():
        environment.update({ours: environment[theirs] for theirs, ours in _MPI.items()})
    environment.setdefault("MASTER_ADDR", "localhost")
    environment.setdefault("MASTER_PORT", "12345")
    world = int(environment.get("WORLD_SIZE", 1))
    rank, local = (int(environment.get(name, -1)) for name in ("RANK", "LOCAL_RANK"))
    if local != -1 and world > 1:
        modules = environment.get("HABANA_VISIBLE_MODULES")
        if modules is not None:
            assert local < len(modules.split(",")), "there are not enough devices"
        environment.setdefault(
            "HLS_MODULE_ID", modules.split(",")[local] if modules else str(local)
        )
    if rank != -1:
        environment["ID"] = str(rank)
    return world, rank, local


initialize_distributed_hpu()


class ProcessGroupHCCL(dist.ProcessGroup):
    """Carries tensors of the device only; gloo does the work."""

    def __init__(self, options):
        super().__init__(options.group_rank, options.group_size)
        if int(os.environ.get("LOCAL_RANK", -1)) == -1:
            raise RuntimeError("hccl: this process was not started by mpirun or torchrun")
        self.inner = dist.ProcessGroupGloo(
            options.store, options.group_rank, options.group_size, timeout=options.timeout
        )

    def getBackendName(self):
        return "hccl"

    def _through(self, tensors, call):
        _engine.require_device(tensors, "hccl")
        if not _engine.is_lazy():
            return call(tensors)
        copies = [tensor.detach().clone().to("cpu") for tensor in tensors]
        work = call(copies)
        work.wait()
        with torch.no_grad():
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy.to(_engine.device()))
        return work

    def allreduce(self, tensors, opts=None):
        _engine.LOG.all_reduces.append(sum(tensor.numel() for tensor in tensors))
        options = opts or dist.AllreduceOptions()
        return self._through(tensors, lambda copies: self.inner.allreduce(copies, options))

    def broadcast(self, tensors, opts=None):
        _engine.LOG.broadcasts += 1
        options = opts or dist.BroadcastOptions()
        return self._through(tensors, lambda copies: self.inner.broadcast(copies, options))

    def allgather(self, outputs, tensors, opts=None):
        _engine.require_device(tensors, "hccl")
        copies = [tensor.detach().to("cpu") for tensor in tensors]
        found = [[torch.empty_like(copies[0]) for _ in row] for row in outputs]
        work = self.inner.allgather(found, copies, opts or dist.AllgatherOptions())
        work.wait()
        with torch.no_grad():
            for row, copied in zip(outputs, found, strict=True):
                for tensor, copy in zip(row, copied, strict=True):
                    tensor.copy_(copy.to(_engine.device()))
        return work

    def barrier(self, opts=None):
        return self.inner.barrier(opts or dist.BarrierOptions())


def _make(options, more=None):
    return ProcessGroupHCCL(options)


dist.Backend.register_backend("hccl", _make, devices=[_engine.device().type], extended_api=True)
