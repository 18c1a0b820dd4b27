"""Carries arrays to a device and weights from it, through pinned memory, by few copies.

Pinned memory is what a device can read and write by itself, so that copies are fast and the
host need not wait for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from torch import Tensor

from bertkit.data.step_batch import MicroBatch, StepBatch

# Bytes to which every array begins: of the widest loads of compiled kernels, and more.
_GRAIN = 64


@dataclass(frozen=True)
class StagedMicroBatch(MicroBatch):
    """A micro-batch whose arrays lie in one buffer.

    Attributes:
        buffer: uint8, pinned where it is to go to a device.
        places: by name, the array in the buffer and where it begins, in bytes. Arrays that
            have been replaced since travel by themselves.
    """

    buffer: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    places: Mapping[str, tuple[np.ndarray, int]] = field(default_factory=dict)


def staged(batches: Iterable[StepBatch], pin: bool = True) -> Iterator[StepBatch]:
    """The batches with the arrays of each micro-batch in one buffer; for the loader's thread.

    Args:
        batches: of a loop.
        pin: the buffers; False where no device is there to read them.
    """
    for batch in batches:
        parts: list[MicroBatch] = [_staged(micro, pin) for micro in batch.micro_batches]
        yield replace(batch, micro_batches=parts)


def _staged(micro: MicroBatch, pin: bool) -> StagedMicroBatch:
    starts, end = _starts(micro)
    buffer = torch.empty(end, dtype=torch.uint8, pin_memory=pin)
    memory = buffer.numpy()
    arrays, places = {}, {}
    for name, values in micro.arrays.items():
        start = starts[name]
        target = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
        np.copyto(target, values)
        arrays[name], places[name] = target, (target, start)
    known = {item.name: getattr(micro, item.name) for item in fields(MicroBatch)}
    return StagedMicroBatch(**{**known, "arrays": arrays}, buffer=buffer, places=places)


def _starts(micro: MicroBatch) -> tuple[dict[str, int], int]:
    """Where each array begins in a buffer for all of them, in bytes; and where the last ends.

    Between two is a gap. Where one array's length was the other's place, `torch.compile` would
    take both for one number, and compile again for a batch in which they differ.
    """
    starts, end = {}, 0
    for name, values in micro.arrays.items():
        starts[name] = end
        end += (values.nbytes // _GRAIN + 1) * _GRAIN
    return starts, end


def on_device(micro: MicroBatch, device: torch.device, pin: bool = True) -> dict[str, Tensor]:
    """The arrays of a micro-batch as tensors on a device.

    Those of a `StagedMicroBatch` are views of one copy of its buffer.

    Args:
        micro: the batch.
        device: on a CPU the tensors share the arrays' memory.
        pin: arrays that travel by themselves go through pinned memory.
    """
    whole: Tensor | None = None
    tensors = {}
    for name, values in micro.arrays.items():
        place = micro.places.get(name) if isinstance(micro, StagedMicroBatch) else None
        if device.type == "cpu" or place is None or place[0] is not values:
            tensors[name] = _by_itself(values, device, pin)
            continue
        if whole is None:
            assert isinstance(micro, StagedMicroBatch)
            whole = micro.buffer.to(device, non_blocking=True)
        tensors[name] = _part(whole, place[1], values)
    return tensors


class DeviceInputs:
    """The arrays of micro-batches of one shape, at places in a device's memory that stay.

    Args:
        micro: one of them.
        device: where the arrays go.
        pin: they go through pinned memory.

    Attributes:
        tensors: the arrays of the micro-batch that was loaded last.
    """

    def __init__(self, micro: MicroBatch, device: torch.device, pin: bool = True) -> None:
        starts, end = _starts(micro)
        self._pin = pin
        self._buffer = torch.zeros(end, dtype=torch.uint8, device=device)
        self.tensors = {
            name: _part(self._buffer, starts[name], values) for name, values in micro.arrays.items()
        }

    def load(self, micro: MicroBatch) -> None:
        """Take over the arrays of a micro-batch, by one copy where it is staged.

        The host does not wait for a copy out of pinned memory.
        """
        places = micro.places if isinstance(micro, StagedMicroBatch) else {}
        if isinstance(micro, StagedMicroBatch):
            self._buffer.copy_(micro.buffer, non_blocking=True)
        for name, values in micro.arrays.items():
            place = places.get(name)
            if place is None or place[0] is not values:
                self.tensors[name].copy_(_host(values, self._pin), non_blocking=self._pin)


def _part(buffer: Tensor, start: int, like: np.ndarray) -> Tensor:
    part = buffer[start : start + like.nbytes]
    return part.view(_kind(like.dtype)).view(like.shape)


def _by_itself(values: np.ndarray, device: torch.device, pin: bool) -> Tensor:
    if device.type == "cpu":
        return _host(values, pin=False)
    return _host(values, pin).to(device, non_blocking=pin)


def _host(values: np.ndarray, pin: bool) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory() if pin else tensor


def _kind(dtype: np.dtype) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype


def on_host(tensors: Sequence[Tensor], pin: bool = True) -> list[Tensor]:
    """Tensors in main memory: of a device as copies, for which the host waits once.

    Args:
        tensors: of any devices; those on a CPU come back as they are.
        pin: the copies.
    """
    found, devices = [], set()
    for tensor in tensors:
        own = tensor.detach()
        if own.device.type != "cpu":
            devices.add(own.device)
            if pin:
                room = torch.empty(own.shape, dtype=own.dtype, pin_memory=True)
                own = room.copy_(own, non_blocking=True)
            else:  # in the way that every device knows
                own = own.cpu()
        found.append(own)
    for device in devices if pin else ():
        torch.accelerator.current_stream(device).synchronize()
    return found
