from __future__ import annotations

import os
from typing import Any

import torch.distributed as dist

# Imported behind `init` it would keep the process group, and `shutdown` not end its threads.
import torch.distributed.nn.functional  # noqa: F401

_STARTED = False


def init() -> None:
    global _STARTED
    world, rank = (os.environ[f"POPDIST_{name}"] for name in ("NUM_INSTANCES", "INSTANCE_INDEX"))
    place = "file://" + os.environ["FAKE_HOROVOD_FILE"]
    dist.init_process_group("gloo", init_method=place, world_size=int(world), rank=int(rank))
    _STARTED = True


def allgather_object(item: Any) -> list[Any]:
    if not _STARTED:
        raise ValueError("Horovod has not been initialized; use hvd.init().")
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, item)
    return found


def broadcast_parameters(state: Any, root_rank: int) -> None:
    for value in state.values():
        dist.broadcast(value, root_rank)


def shutdown() -> None:
    dist.destroy_process_group()
