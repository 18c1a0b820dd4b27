"""Says where the tasks of a command run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from bertkit import log
from bertkit.storage.files import is_remote
from bertkit.workers.arrived import require_arrived
from bertkit.workers.pool import check_executor, run_tasks

# Starting processes takes longer than reading less than this.
SMALL_BYTES = 64 << 20

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Engine:
    """What runs tasks, see `bertkit.workers.pool.run_tasks`.

    Attributes:
        workers: processes on this machine; 0 for one per core.
        executor: `processes` or `dask`.
        scheduler: address of the Dask cluster, whose workers see the same files.

    Raises:
        UsageError: dask without a scheduler, or the reverse.
    """

    workers: int = 1
    executor: str = "processes"
    scheduler: str = ""

    def __post_init__(self) -> None:
        check_executor(self.executor, self.scheduler)

    def run(self, work: Callable[[T], R], tasks: Sequence[T], name: str = "") -> Iterator[R]:
        """Results in the order of completion, with a bar if the work has a name."""
        results = run_tasks(
            work, tasks, workers=self.workers, executor=self.executor, scheduler=self.scheduler
        )
        return log.progress(results, total=len(tasks), description=name) if name else results

    def in_order(self, work: Callable[[T], R], tasks: Sequence[T], name: str = "") -> Iterator[R]:
        """Results in the order of the tasks; those that come too early are held."""
        early: dict[int, R] = {}
        wanted = 0
        numbered = [_Numbered(work, number, task) for number, task in enumerate(tasks)]
        for number, result in self.run(_call, numbered, name):
            early[number] = result
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1

    def for_bytes(self, size: int) -> Engine:
        """The engine for reading so much: this process alone, if that is little."""
        small = size < SMALL_BYTES and self.executor == "processes"
        return replace(self, workers=1) if small else self

    def arrived(self, folder: str | Path, names: Iterable[str]) -> None:
        """Files that tasks have made are here; asked before they are noted as finished.

        Raises:
            DataError: they are not: Dask's workers write into folders of their own machines.
        """
        if self.executor != "processes":
            require_arrived(folder, names)

    def path(self, name: str) -> str:
        """A path that holds where the tasks run: Dask's workers stand in another folder."""
        if self.executor == "processes" or is_remote(name):
            return name
        return os.path.abspath(name)  # noqa: PTH100 - Path would take the dots out of names


@dataclass(frozen=True)
class _Numbered:
    """A task with its place among all."""

    work: Callable[[Any], Any]
    number: int
    task: Any


def _call(numbered: _Numbered) -> tuple[int, Any]:
    return numbered.number, numbered.work(numbered.task)
