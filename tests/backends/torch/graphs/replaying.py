"""Records operators on a CPU and does them again on the same memory, as CUDA graphs do on a GPU.

Numbers of Python that work has used while it was recorded are used again in every replay, so
that a step which depends on one gives other results replayed than run.
"""

from __future__ import annotations

from functools import partial
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bertkit.model.fused.launch import Kernel

# What reads a number from the device; a GPU refuses it in a recording.
_READS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal")


class _Recording(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls, self.before, self.made = [], {}, set()

    def __torch_dispatch__(self, operator, types, arguments=(), words=None):
        words = words or {}
        name = operator.overloadpacket.__name__
        if name in _READS:
            raise RuntimeError(f"{name} waits for the device")
        for number, place in enumerate(operator._schema.arguments):
            value = arguments[number] if number < len(arguments) else words.get(place.name)
            if place.alias_info and place.alias_info.is_write:
                self._keep(value)
        result = operator(*arguments, **words)
        known = {_memory(item) for item in tree_leaves((arguments, words)) if _is(item)}
        self.made |= {_memory(item) for item in tree_leaves(result) if _is(item)} - known
        self.calls.append((operator, arguments, words, result))
        return result

    def _keep(self, values):
        for item in tree_leaves(values):
            if _is(item) and _memory(item) not in self.made | self.before.keys():
                memory = item.untyped_storage()
                self.before[_memory(item)] = (memory, memory.clone())

    def undo(self):
        for memory, content in self.before.values():
            memory.copy_(content)

    def replay(self):
        with torch.no_grad():
            for operator, arguments, words, result in self.calls:
                known = {_memory(item) for item in tree_leaves((arguments, words)) if _is(item)}
                again = operator(*arguments, **words)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if _is(old) and _memory(old) not in known:
                        old.copy_(new)


def _is(item):
    return isinstance(item, Tensor)


def _memory(tensor):
    return tensor.untyped_storage().data_ptr()


class ReplayingRecorder:
    """A `Recorder` for CPUs; counts what it was asked for."""

    def __init__(self):
        self.runs = self.records = 0

    def run(self, work):
        self.runs += 1
        work()

    def record(self, work):
        self.records += 1
        state = torch.get_rng_state()
        mode, launch = _Recording(), Kernel.launch

        def noted(kernel, *given, **named):
            mode.calls.append((partial(launch, kernel), given, named, None))

        with mode, mock.patch.object(Kernel, "launch", noted):
            work()
        # A GPU computes nothing while it records.
        with torch.no_grad():
            mode.undo()
        torch.set_rng_state(state)
        return mode.replay
