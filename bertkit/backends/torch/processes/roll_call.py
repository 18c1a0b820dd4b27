"""The processes of a run tell each other in a store that they are here, each of them once.

torchrun keeps one store for all starts of its processes, and a number of the start only where
one had failed, not where a machine came or went. So the main process names each meeting anew,
and the others know by a word of their own, which comes back to them, that it is this one:

    bertkit/meeting       its name, written by the main process
    bertkit/NAME/came     a line of every process
    bertkit/NAME/verdict  words and hosts of those that are complete; or why they cannot begin
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import distributed as dist

from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes.own_address import address_towards

_MEETING, _CAME, _VERDICT = "bertkit/meeting", "came", "verdict"
_NAMED = 8  # processes in a message


class NoMeetingError(RuntimeError):
    """The processes that came cannot be one run."""


@dataclass(frozen=True)
class Arrival:
    """What a process says of itself.

    Attributes:
        rank: its number.
        world: the number of processes that it expects.
        word: that no other process has.
        host: its name.
        process: its id there.
        address: of the host, as the store sees it.
    """

    rank: int
    world: int
    word: str
    host: str = "an unnamed host"
    process: int = 0
    address: str = ""

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.host}, process id {self.process}"


class RollCall:
    """The place of one process in a meeting.

    Args:
        store: that all processes reach.
        topology: this process's place.
        own_store: the store ends with the main process, so nothing in it is of an earlier start.

    Attributes:
        hosts: names of the processes' hosts, by rank; known once all are here.
        addresses: of the hosts, each once; likewise.
    """

    def __init__(self, store: Any, topology: Topology, own_store: bool) -> None:
        self._store = store
        self._topology = topology
        self._own_store = own_store
        self._me = Arrival(
            rank=topology.rank,
            world=topology.world,
            word=uuid.uuid4().hex,
            host=socket.gethostname(),
            process=os.getpid(),
            address=address_towards(os.environ["MASTER_ADDR"]),
        )
        self._name = ""
        self.hosts: list[str] = []
        self.addresses: list[str] = []
        if topology.is_main:
            self._come(self._me.word)
            store.set(_MEETING, self._name)

    @property
    def prefix(self) -> str:
        """Of all names that this meeting has in the store."""
        return f"bertkit/{self._name}"

    @property
    def place(self) -> Any:
        """The store under the names of this meeting."""
        stores: Any = dist
        return stores.PrefixStore(self.prefix, self._store)

    def complete(self) -> bool:
        """Whether all processes are here.

        Raises:
            NoMeetingError: those that came cannot be one run.
        """
        return self._decided() if self._topology.is_main else self._heard()

    def missing(self) -> list[int]:
        """The processes that have not come, as far as is known."""
        if not self._name:
            return [0]
        came = {item.rank for item in self._arrivals()}
        return [rank for rank in range(self._topology.world) if rank not in came]

    def refuse(self, why: str) -> None:
        """Tell the others why there is no meeting."""
        words = [item.word for item in self._arrivals()]
        self.place.set(_VERDICT, json.dumps({"words": words, "refused": why}))

    def _come(self, name: str) -> None:
        self._name = name
        self.place.append(_CAME, json.dumps(asdict(self._me)) + "\n")

    def _arrivals(self) -> list[Arrival]:
        lines = self.place.get(_CAME).decode().splitlines()
        # Other versions of bertkit may say more or less; they are compared later, and named then.
        known = {field.name for field in fields(Arrival)}
        told = [json.loads(line).items() for line in lines]
        return [Arrival(**{name: item for name, item in each if name in known}) for each in told]

    def _decided(self) -> bool:
        if self._store.get(_MEETING).decode() != self._name:
            raise NoMeetingError("process 0 was started twice")
        came = self._arrivals()
        problem = _problem(came)
        if problem:
            self.refuse(problem)
            raise NoMeetingError(problem)
        if len(came) < self._topology.world:
            return False
        words = [item.word for item in came]
        self.hosts = [item.host for item in sorted(came, key=lambda item: item.rank)]
        self.addresses = sorted({item.address for item in came} - {""})
        facts = {"hosts": self.hosts, "addresses": self.addresses}
        self.place.set(_VERDICT, json.dumps({"words": words, "refused": "", **facts}))
        return True

    def _heard(self) -> bool:
        if not self._store.check([_MEETING]):
            return False
        name = self._store.get(_MEETING).decode()
        if name != self._name:
            self._come(name)
        if not self.place.check([_VERDICT]):
            return False
        verdict = json.loads(self.place.get(_VERDICT))
        known = self._me.word in verdict["words"]
        if verdict["refused"] and (known or self._own_store):
            raise NoMeetingError(verdict["refused"])
        if not known and self._own_store:
            there = [item for item in self._arrivals() if item.word in verdict["words"]]
            raise NoMeetingError(_without(self._me, there))
        # Otherwise it is a meeting of an earlier start, and its main process is still to come.
        if known:
            self.hosts = verdict.get("hosts", [])
            self.addresses = verdict.get("addresses", [])
        return known


def listed(items: Sequence[object]) -> str:
    """Numbers of processes, or names of hosts, for a message, the first eight of them."""
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(map(str, items[:_NAMED])) + more


def named(ranks: list[int], hosts: Sequence[str] = ()) -> str:
    """`process 3`, or `processes 1, 2 (on node1, node2)`, the first eight of them.

    Args:
        ranks: of the processes.
        hosts: of all processes, by rank; empty where they are not known.
    """
    where = [hosts[rank] for rank in ranks if rank < len(hosts)]
    places = f" (on {listed(list(dict.fromkeys(where)))})" if where else ""
    return f"process{'es' if len(ranks) > 1 else ''} {listed(ranks)}{places}"


def _problem(came: list[Arrival]) -> str:
    """Why these cannot be one run; empty where they can."""
    worlds: dict[int, Arrival] = {}
    ranks: dict[int, Arrival] = {}
    for item in came:
        worlds.setdefault(item.world, item)
        if item.rank in ranks:
            return (
                f"process {item.rank} was started twice: on {ranks[item.rank].where}, and on"
                f" {item.where}"
            )
        ranks[item.rank] = item
    if len(worlds) > 1:
        sides = [f"{world} for process {item.rank}" for world, item in worlds.items()]
        return f"WORLD_SIZE is {', '.join(sides)}"
    return ""


def _without(me: Arrival, there: list[Arrival]) -> str:
    """Why a process is too late for a run that is complete."""
    for item in there:
        if item.rank == me.rank:
            return f"the run there is complete: its process {me.rank} is on {item.where}"
    return f"the run there is complete with {len(there)} processes; WORLD_SIZE is {me.world} here"
