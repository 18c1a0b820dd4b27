"""The processes of a run find each other: through a store at MASTER_ADDR and MASTER_PORT.

PyTorch's `rendezvous` makes the same store, but waits inside C++: for half an hour without a
word, and deaf to Ctrl-C. Here the waiting is done in Python, and says who is waited for.
"""

from __future__ import annotations

import datetime
import math
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from torch import distributed as dist

from bertkit import log
from bertkit.backends.process_group import Topology
from bertkit.system.process_end import end_later

# Seconds until a wait is told: by the process that all wait for, and by the others, whose
# output mostly nobody reads.
_TELL_MAIN, _TELL_OTHERS = 20.0, 60.0
_POLL, _LONGEST_POLL = 0.02, 0.5
# Seconds for a connection to a store that listens.
_CONNECT, _SPARE = 60.0, 5.0
_NAMED = 8  # processes in a message


def meet(topology: Topology, minutes: float) -> Any:
    """The store of this run, once all of its processes have come.

    Args:
        topology: this process's place.
        minutes: to wait for processes that start later.

    Returns:
        The `torch.distributed.TCPStore` for `init_process_group`.

    Raises:
        TimeoutError: a process did not come in that time.
        RuntimeError: the store cannot be opened or reached.
    """
    wait = _Wait(topology, minutes)
    if keeps_store(topology):
        wait.until(_resolved, lambda: f"no address is known for {_place()[0]}")
    else:
        keeper = "torchrun" if _agent() else "process 0"
        wait.until(_reachable, lambda: f"{keeper} has not come")
    store = _connected(is_master=keeps_store(topology))
    store.set_timeout(datetime.timedelta(minutes=minutes))
    names = _prefixed(store, "rendezvous")
    names.set(f"{topology.rank}", socket.gethostname())
    wait.until(
        lambda: names.check([f"{rank}" for rank in range(topology.world)]),
        lambda: _named([rank for rank in range(topology.world) if not names.check([f"{rank}"])]),
    )
    return store


def keeps_store(topology: Topology) -> bool:
    """Whether the store is this process's and ends with it; torchrun keeps its own."""
    return topology.is_main and not _agent()


def notes_store(timeout: float) -> Any:
    """A connection of its own to the run's store, under names of this start of the run.

    Args:
        timeout: seconds to connect, and of every call that waits.
    """
    return _prefixed(connect(timeout), "notes")


def connect(timeout: float, is_master: bool = False) -> Any:
    """A `TCPStore` at MASTER_ADDR and MASTER_PORT; waits for no other process.

    Args:
        timeout: seconds to connect, and of every call that waits.
        is_master: it listens there.
    """
    host, port = _place()
    stores: Any = dist
    return stores.TCPStore(
        host,
        port,
        is_master=is_master,
        wait_for_workers=False,
        multi_tenant=is_master,
        timeout=datetime.timedelta(seconds=timeout),
        use_libuv=os.environ.get("USE_LIBUV", "1") == "1",
    )


def listed(ranks: list[int]) -> str:
    """Numbers of processes for a message, the first eight of them."""
    more = f" and {len(ranks) - _NAMED} more" if len(ranks) > _NAMED else ""
    return ", ".join(map(str, ranks[:_NAMED])) + more


class _Wait:
    """Waits for the processes of a run, and says so once when it takes long."""

    def __init__(self, topology: Topology, minutes: float) -> None:
        self._topology = topology
        self._minutes = minutes
        self._begin = time.monotonic()
        self._tell_at = _TELL_MAIN if topology.is_main else _TELL_OTHERS

    def until(self, done: Callable[[], bool], missing: Callable[[], str]) -> None:
        """Return when `done` says so; `missing` says what is not there yet."""
        pause = _POLL
        while not done():
            waited = time.monotonic() - self._begin
            if waited > 60 * self._minutes:
                raise TimeoutError(f"{missing()} in {self._minutes:g} minutes")
            if waited > self._tell_at:
                self._tell_at = math.inf
                self._tell(missing())
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)

    def _tell(self, text: str) -> None:
        log.logger.warning(
            "process %d of this run waits for the others at %s:%d (WORLD_SIZE is %d): %s",
            self._topology.rank, *_place(), self._topology.world, text,
        )  # fmt: skip


def _place() -> tuple[str, int]:
    return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])


def _agent() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _connected(is_master: bool) -> Any:
    """`connect`, given up where another program listens there and says nothing."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            found.put(connect(_CONNECT, is_master))
        except Exception as error:
            found.put(error)

    thread = threading.Thread(target=attempt, name="bertkit-rendezvous", daemon=True)
    thread.start()
    try:
        store = found.get(timeout=_CONNECT + _SPARE)
    except BaseException as error:  # also Ctrl-C
        end_later(thread)
        if isinstance(error, queue.Empty):
            raise TimeoutError("what listens there does not answer as the store of a run") from None
        raise
    if isinstance(store, Exception):
        raise store
    return store


def _prefixed(store: Any, part: str) -> Any:
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    stores: Any = dist
    return stores.PrefixStore(f"bertkit/{attempt}/{part}", store)


def _resolved() -> bool:
    """Whether the name of the main machine has an address; in a cluster that can take a while."""
    try:
        return bool(socket.getaddrinfo(*_place()))
    except OSError:
        return False


def _reachable() -> bool:
    """Whether anything listens where the store is to be."""
    try:
        socket.create_connection(_place(), timeout=1.0).close()
    except OSError:
        return False
    return True


def _named(ranks: list[int]) -> str:
    if len(ranks) == 1:
        return f"process {ranks[0]} has not come"
    return f"processes {listed(ranks)} have not come"
