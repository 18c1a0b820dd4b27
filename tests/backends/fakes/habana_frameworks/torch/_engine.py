"""What stands behind the device name `hpu`, and a log of what was asked of it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

import torch
import torch._dynamo
import torch._lazy
import torch._lazy.metrics
import torch._lazy.ts_backend
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map


@dataclass
class Log:
    """Counts since the last `clear`."""

    marks: int = 0
    copies_to_host: int = 0
    graphs: int = 0
    replays: int = 0
    all_reduces: list[int] = field(default_factory=list)
    broadcasts: int = 0
    initialised: int = 0
    updates: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.__init__()


LOG = Log()
# What was turned on.
SWITCHES: set[str] = set()
_state = {"lazy": None, "mode": None}
# Python numbers that lazy mode has built into programs, with the operator that took each.
_constants: set[tuple[str, float]] = set()


def counter(name: str) -> int:
    """A counter of the lazy device, such as UncachedCompile; it only grows."""
    metrics = torch._lazy.metrics
    return metrics.counter_value(name) if name in metrics.counter_names() else 0


def programs() -> int:
    """Programs compiled so far: one per graph, and one more for every new constant.

    The lazy device behind this stand-in takes Python numbers as inputs; Gaudi's does not.
    """
    return counter("UncachedCompile") + len(_constants)


def is_lazy() -> bool:
    """The mode at the import; later changes of the environment change nothing."""
    return bool(_state["lazy"])


def device() -> torch.device:
    """Where tensors on `hpu` really are."""
    return torch.device("lazy" if is_lazy() else "cpu")


class _Rename(TorchFunctionMode):
    """`hpu` in any call means the stand-in's device; counts copies to the host."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist) or (
            func is torch.Tensor.to and any(_is(item, "cpu") for item in args[1:])
        ):
            LOG.copies_to_host += is_lazy() and args[0].device.type == "lazy"
        if func is torch.Tensor.to or "device" in kwargs:
            args, kwargs = tree_map(_renamed, (args, kwargs))
        if is_lazy() and func is not torch.tensor:
            name = getattr(func, "__name__", str(func))
            leaves = tree_leaves((args, kwargs))
            _constants.update((name, leaf) for leaf in leaves if type(leaf) is float)
        return func(*args, **kwargs)


def _is(value, name: str) -> bool:
    return (isinstance(value, torch.device) and value.type == name) or (
        isinstance(value, str) and value.split(":")[0] == name
    )


def _renamed(value):
    return device() if _is(value, "hpu") else value


def open_device() -> None:
    """Take the mode from the environment and make the device known."""
    given = os.environ.get("PT_HPU_LAZY_MODE")
    if given is None:
        raise RuntimeError("PT_HPU_LAZY_MODE is not set; releases differ in its default")
    _state["lazy"] = given == "1"
    if _state["lazy"] and not hasattr(torch._lazy, "stand_in"):
        torch._lazy.ts_backend.init()
        torch._lazy.stand_in = True
    if not _state["lazy"]:
        # PyTorch keeps the first one for good; the package may be imported anew after it.
        def hpu_backend(graph, inputs):
            sys.modules[__name__].LOG.graphs += 1
            return graph.forward

        if "hpu_backend" not in torch._dynamo.list_backends(()):
            torch._dynamo.register_backend(hpu_backend, name="hpu_backend")
    _state["mode"] = _Rename()
    _state["mode"].__enter__()


def close_device() -> None:
    """For tests that share a process: `hpu` means nothing again."""
    if _state["mode"] is not None:
        _state["mode"].__exit__(None, None, None)
        _state["mode"] = None


def mark_step() -> None:
    """Run what was collected."""
    LOG.marks += 1
    torch._lazy.mark_step()


def require_device(tensors, what: str) -> None:
    """Kernels of the device take its tensors only."""
    for tensor in tensors:
        if tensor.device.type != device().type:
            raise RuntimeError(f"{what}: expected a tensor on hpu, got one on {tensor.device}")
