"""Ends the threads of process groups with the groups, before the interpreter ends.

PyTorch's `destroy_process_group` forgets the groups, but the threads of gloo go on for as long
as any object refers to one. Such a thread drops the tensors of its last exchange after it has
said that the exchange is done, and needs Python's lock for that. If the interpreter is being
taken down by then, the process dies with SIGABRT although all its work is done.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import types
import weakref
from collections.abc import Iterator
from typing import Any

from torch import distributed as dist

from bertkit.system.process_end import end_later

# Seconds for threads to end that have nothing left to do.
_IDLE = 3.0
_SHORT = 0.01
_holders: weakref.WeakSet[Any] = weakref.WeakSet()


def keeps_groups(holder: Any) -> None:
    """Name an object that has groups as attributes, and is of no use without them."""
    _holders.add(holder)


def end_groups(groups: list[Any], orderly: bool) -> None:
    """Give up groups that `destroy_process_group` has been called for.

    Args:
        groups: every reference that the caller has; the list is empty once their threads ended.
        orderly: all exchanges are complete. Otherwise a thread may wait for another process
            that does not answer, which this process does not wait for.
    """
    for holder in list(_holders):
        _empty(holder)
    _holders.clear()
    _forget_defaults()
    # The last reference waits for the threads: let it be that of a thread that may wait.
    ending = threading.Thread(target=_drop, args=(groups,), name="bertkit-groups", daemon=True)
    ending.start()
    if orderly:
        ending.join(_IDLE / 2)
        if ending.is_alive():
            gc.collect()  # for references in circles
            ending.join(_IDLE / 2)
    if ending.is_alive():
        end_later(ending)


def leave_threads() -> None:
    """Where groups are half made, as after Ctrl-C, nobody has them all to end their threads.

    The process ends without taking the interpreter down, see `bertkit.system.process_end`.
    """
    endless = threading.Thread(target=threading.Event().wait, name="bertkit-groups", daemon=True)
    endless.start()
    end_later(endless)


def _drop(groups: list[Any]) -> None:
    """Drop each group as the last one that refers to it."""
    while groups:
        if sys.getrefcount(groups[-1]) > 2:  # the list's, and the argument
            time.sleep(_SHORT)
        else:
            groups.pop()


def _empty(holder: Any) -> None:
    """Take the groups from an object, and what refers to them from C++."""
    c10d: Any = dist
    parts = (c10d.ProcessGroup, c10d.Reducer, c10d.Logger)
    for name, value in list(vars(holder).items()):
        if isinstance(value, parts):
            del vars(holder)[name]


def _forget_defaults() -> None:
    """Let PyTorch's functions have no group as the default of an argument.

    Modules that are imported while there is a default group keep it so (the optimizers import
    some). None means the default group at the time of the call, and is what these functions
    have where they are imported before.
    """
    for function in _functions():
        values = function.__defaults__ or ()
        if any(isinstance(value, dist.ProcessGroup) for value in values):
            function.__defaults__ = tuple(
                None if isinstance(value, dist.ProcessGroup) else value for value in values
            )


def _functions() -> Iterator[types.FunctionType]:
    """Functions and methods of PyTorch's distributed modules."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("torch.distributed"):
            continue
        for value in list(vars(module).values()):
            # `isinstance` would ask objects for their class, and deprecated ones warn then.
            own = list(vars(value).values()) if issubclass(type(value), type) else [value]
            for item in own:
                while type(item) is types.FunctionType:
                    yield item
                    item = getattr(item, "__wrapped__", None)
