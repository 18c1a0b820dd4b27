"""Decides how gradients travel between processes: to all of them or to their owner, in which type.

Everything here is a hook of DistributedDataParallel, which calls it for every bucket of
gradients while the backward pass goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from bertkit.backends.torch.processes.lost_process import explain_lost_process

# (nothing, torch's GradBucket) to the bucket's gradients.
Hook = Callable[[Any, Any], torch.futures.Future[Tensor]]


def exchange_hook(owners: Mapping[Tensor, int] | None = None, half: bool = False) -> Hook | None:
    """A hook that averages the gradients of a bucket over the processes of the default group.

    Args:
        owners: which process needs the gradient of which parameter; the gradients that the
            others have afterwards are of no use. Half as much travels as when all need all.
            None: all need all.
        half: gradients travel in bf16, and are added up in it.

    Returns:
        None where DistributedDataParallel does by itself what is wanted.
    """
    if owners is None and not half:
        return None

    def hook(state: Any, bucket: Any) -> torch.futures.Future[Tensor]:
        buffer = bucket.buffer()
        # As DistributedDataParallel: divided first, so that half precision does not overflow.
        buffer.mul_(1.0 / dist.get_world_size())
        sent = buffer.to(torch.bfloat16) if half else buffer
        if owners is None:
            works = [dist.all_reduce(sent, async_op=True)]
        else:
            works = [
                dist.reduce(sent[begin:end], dst=owner, async_op=True)
                for owner, begin, end in spans(bucket.parameters(), owners)
            ]
        done = torch.futures.collect_all([work.get_future() for work in works])
        # Reading the futures raises what went wrong in the exchange.
        return done.then(lambda found: _arrived(found, buffer, sent))

    hook.__annotations__.clear()  # they are compared with classes, but are texts in this file
    return hook


def _arrived(found: torch.futures.Future[Any], buffer: Tensor, sent: Tensor) -> Tensor:
    for part in found.value():
        part.value()
    return buffer if sent is buffer else buffer.copy_(sent)


def spans(parameters: Sequence[Tensor], owners: Mapping[Tensor, int]) -> list[tuple[int, int, int]]:
    """(owner, begin, end) of neighbours in a bucket that belong to one process."""
    found: list[tuple[int, int, int]] = []
    end = 0
    for parameter in parameters:
        begin, end = end, end + parameter.numel()
        if found and found[-1][0] == owners[parameter]:
            begin = found.pop()[1]
        found.append((owners[parameter], begin, end))
    return found


def shared_norm(gradients: Sequence[Tensor], own: Sequence[bool]) -> Tensor:
    """The norm of all gradients, of which every process knows its own.

    The same bits as that of one process which knows them all: norms of whole tensors travel.

    Args:
        gradients: in the same order everywhere; only the own ones hold what they should.
        own: which of them this process knows.

    Returns:
        0-dim, on the device of the gradients, the same in every process.
    """
    known = [item for item, owned in zip(gradients, own, strict=True) if owned]
    found = iter(torch._foreach_norm(known) if known else ())
    zero = gradients[0].new_zeros(())
    norms = torch.stack([next(found) if owned else zero for owned in own])
    with explain_lost_process():
        dist.all_reduce(norms)
    norm: Tensor = torch.linalg.vector_norm(norms)
    return norm
