"""Defines the process group: the processes that train one model together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bertkit.errors import ConfigError

T = TypeVar("T")

# Minutes that a process waits in a step for one that does not answer, as NCCL does by default.
PROCESS_TIMEOUT = 10.0


@dataclass(frozen=True)
class Topology:
    """The number of processes, and which of them this one is.

    Attributes:
        world: processes in all.
        rank: of this process, from 0.
        local_rank: its number on its own machine, from 0.
    """

    world: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """True for the one process that writes files and prints."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> Topology:
        """What torchrun says in WORLD_SIZE, RANK and LOCAL_RANK; without it one process.

        Raises:
            ConfigError: they are no numbers, or not those of a process.
        """
        world = _number("WORLD_SIZE", 1)
        if world < 2:
            return cls()
        rank, local = _number("RANK", 0), _number("LOCAL_RANK", 0)
        if rank >= world:
            raise ConfigError(
                f"RANK is {rank}, but WORLD_SIZE is {world}", f"ranks are 0 to {world - 1}"
            )
        return cls(world, rank, local)


def _number(name: str, default: int) -> int:
    """A number that torchrun put into the environment."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise ConfigError(f"{name} is {text!r} in the environment", "torchrun sets a number there")
    return int(text)


class ProcessGroup:
    """The processes that train together; this class is the group of one process.

    Every process must make the same calls, in the same order.

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

    def collect_union(self, entries: Mapping[str, T]) -> dict[str, T]:
        """The entries of all processes' mappings as one; empty but in the main process."""
        return {name: value for part in self.collect(entries) for name, value in part.items()}

    def wait(self) -> None:
        """Return once every process has called this."""
        self.sum([0.0])

    def in_turn(self, look: Callable[[bool], T]) -> T:
        """Call `look(True)` in the main process, then `look(False)` in the others."""
        if not self.topology.is_main:
            self.wait()
            return look(False)
        found = look(True)
        self.wait()
        return found

    def report_failure(self, error: BaseException) -> None:
        """Tell the other processes why this one is about to leave them."""

    def close(self) -> None:
        """Leave the group."""
