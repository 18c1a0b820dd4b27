"""The processes of a run find each other: through a store at MASTER_ADDR and MASTER_PORT.

PyTorch's `rendezvous` makes the same store, but waits inside C++: for half an hour without a
word, and deaf to Ctrl-C. Here the waiting is done in Python, and says who is waited for.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import re
import socket
import time
from collections.abc import Callable
from typing import Any

from torch import distributed as dist

from bertkit import log
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.machine_errors import in_short
from bertkit.backends.torch.processes.limited_call import NoAnswerError, within
from bertkit.backends.torch.processes.own_address import (
    choose_interface,
    is_here,
    require_interface,
    where_gloo_listens,
)
from bertkit.backends.torch.processes.roll_call import RollCall, named

# Seconds until a wait is told: by the process that all wait for, and by the others, whose
# output mostly nobody reads.
_TELL_MAIN, _TELL_OTHERS = 20.0, 60.0
_POLL, _LONGEST_POLL = 0.02, 0.5
# Seconds for a connection to a store that listens.
_CONNECT, _SPARE = 60.0, 5.0
# Seconds for an answer of the store; for the others to hear why there is no run.
_ANSWER, _HEARING = 60.0, 1.5
# What a process says that cannot connect to others, and seconds between two looks for it.
_APART, _NOTE = "apart", 3.0
_ADDRESS_IN_USE = re.compile("EADDRINUSE|address already in use", re.IGNORECASE)
# Before the names that this start of the run has in the store, once the processes have met.
_prefix = "bertkit"
# Of the processes that have met, by rank.
_hosts: list[str] = []


def meet(topology: Topology, minutes: float) -> Any:
    """The store of this run, once all of its processes have come.

    Args:
        topology: this process's place.
        minutes: to wait for processes that start later.

    Returns:
        The part of the `torch.distributed.TCPStore` that is this start's, for
        `init_process_group`.

    Raises:
        TimeoutError: a process did not come in that time.
        RuntimeError: the store cannot be opened or reached, or those that came cannot be one run.
    """
    wait = _Wait(topology, minutes)
    own_store = not _agent()
    keeper = "process 0" if own_store else "torchrun"
    if keeps_store(topology):
        wait.until(_resolved, lambda: f"no address is known for {_place()[0]}")
    else:
        door = _Door()
        wait.until(door.is_open, lambda: f"{keeper} has not come ({door.why})")
    store = _connected(is_master=keeps_store(topology))
    store.set_timeout(datetime.timedelta(minutes=minutes))
    try:
        roll = within(_ANSWER, lambda: RollCall(store, topology, own_store))
        wait.until(
            lambda: within(_ANSWER, roll.complete),
            lambda: _not_come(within(_ANSWER, roll.missing)),
        )
    except NoAnswerError as error:
        raise TimeoutError(f"{keeper} came, and does not answer") from error
    except TimeoutError as error:
        if keeps_store(topology):
            roll.refuse(str(error))
            time.sleep(_HEARING)
        raise
    except dist.DistNetworkError as error:
        raise RuntimeError(f"{keeper} has left; see its output") from error
    except RuntimeError:
        if keeps_store(topology):
            time.sleep(_HEARING)
        raise
    global _prefix, _hosts
    _prefix, _hosts = roll.prefix, roll.hosts
    choose_interface([_place()[0], *roll.addresses])
    return roll.place


def named_with_hosts(ranks: list[int]) -> str:
    """`process 3 (on node2)`: processes of this run and where they are."""
    return named(ranks, _hosts)


def together_or_not(topology: Topology, connect_all: Callable[[], None]) -> None:
    """Connect to the others that have met; where one of them cannot, give up with it.

    The library itself waits for a connection as long as a step may take.

    Raises:
        RuntimeError: another one cannot connect; or what `connect_all` raises.
    """
    notes = notes_store(_ANSWER)
    tell_at = time.monotonic() + (_TELL_MAIN if topology.is_main else math.inf)

    def ask() -> None:
        nonlocal tell_at
        if within(_ANSWER, lambda: notes.check([_APART])):
            raise RuntimeError(notes.get(_APART).decode())
        if time.monotonic() > tell_at:
            tell_at = math.inf
            log.logger.warning(
                "the processes of this run have met at %s:%d, and wait for connections to each"
                " other: is a firewall between their hosts?", *_place(),
            )  # fmt: skip

    def connect_them() -> None:
        require_interface()
        connect_all()

    try:
        within(_NOTE, connect_them, meanwhile=ask)
    except RuntimeError as error:
        me = named_with_hosts([topology.rank])
        with contextlib.suppress(Exception):
            why = f"{me}: {in_short(str(error))} ({where_gloo_listens()})"
            within(_NOTE, lambda: notes.compare_set(_APART, "", why))
            if keeps_store(topology):
                time.sleep(_NOTE + _HEARING)
        raise


def keeps_store(topology: Topology) -> bool:
    """Whether the store is this process's and ends with it; torchrun keeps its own."""
    return topology.is_main and not _agent()


def notes_store(timeout: float) -> Any:
    """A connection of its own to the run's store, under names of this start of the run.

    Args:
        timeout: seconds to connect, and of every call that waits.
    """
    stores: Any = dist
    return stores.PrefixStore(f"{_prefix}/notes", connect(timeout))


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
    try:
        return within(_CONNECT + _SPARE, lambda: connect(_CONNECT, is_master))
    except (TimeoutError, dist.DistNetworkError) as error:
        host, _ = _place()
        if is_master and not is_here(host):
            raise RuntimeError(
                f"process 0 is on {socket.gethostname()}, and {host} is no address of that"
            ) from error
        if isinstance(error, TimeoutError):
            raise TimeoutError("what listens there does not answer as the store of a run") from None
        if is_master and _ADDRESS_IN_USE.search(str(error)):
            raise RuntimeError(
                "another program listens there already (address already in use)"
            ) from error
        raise


def _resolved() -> bool:
    """Whether the name of the main machine has an address; in a cluster that can take a while."""
    try:
        return bool(socket.getaddrinfo(*_place()))
    except OSError:
        return False


class _Door:
    """Where the store is to be, for those that it is not kept by.

    Attributes:
        why: it is not open; for messages.
    """

    def __init__(self) -> None:
        self.why = ""

    def is_open(self) -> bool:
        """Whether anything listens there."""
        try:
            socket.create_connection(_place(), timeout=1.0).close()
        except socket.gaierror:
            self.why = f"no address is known for {_place()[0]}"
        except TimeoutError:
            self.why = "no answer: its host is off, or a firewall between drops the port"
        except OSError as error:
            self.why = (error.strerror or str(error)).lower()
        else:
            return True
        return False


def _not_come(ranks: list[int]) -> str:
    return f"{named(ranks)} {'has' if len(ranks) == 1 else 'have'} not come"
