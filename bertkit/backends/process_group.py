"""The processes that train together, as one of them sees the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Topology:
    """Where this process stands among those that train together."""

    world: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """True for the one process that writes files and talks."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> Topology:
        """What torchrun says in WORLD_SIZE, RANK and LOCAL_RANK; one process without it."""
        world, rank, local = (
            int(os.environ.get(name) or default)
            for name, default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
        )
        return cls(world, rank, local) if world > 1 else cls()


class Peers:
    """The processes that train together, seen from one of them; here it is alone.

    All of its calls must be made by every process, in the same order.

    Args:
        topology: this process's place.
    """

    def __init__(self, topology: Topology | None = None) -> None:
        self.topology = topology or Topology()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added up over all processes; the same result in each of them."""
        return list(values)

    def total(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Sums by name added up over all processes; a name need not be in all of them."""
        result: dict[str, float] = {}
        for part in self.gather(dict(sums)):
            for name, value in part.items():
                result[name] = result.get(name, 0.0) + value
        return result

    def gather(self, item: Any) -> list[Any]:
        """Any small object of every process, in the order of their ranks."""
        return [item]

    def collect(self, item: Any) -> list[Any]:
        """Any object of every process, in the order of ranks; empty but in the main one."""
        found = self.gather(item)
        return found if self.topology.is_main else []

    def wait(self) -> None:
        """Return when every process has come here."""
        self.sum([0.0])

    def in_turn(self, look: Callable[[bool], T]) -> T:
        """Call `look` in the main process (True), and when it is done in the others (False)."""
        if not self.topology.is_main:
            self.wait()
            return look(False)
        found = look(True)
        self.wait()
        return found

    def close(self) -> None:
        """Leave the others."""
