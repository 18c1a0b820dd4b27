"""Says what `clean` found and did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from bertkit import log
from bertkit.workers.pool import run_tasks

T = TypeVar("T")
R = TypeVar("R")

# Fewer documents are not worth a pool of processes.
_SHARED_DOCUMENTS = 50_000


@dataclass(frozen=True)
class CleanResult:
    """What was found, and dropped.

    Attributes:
        output: the folder, or empty for a report.
        files: read.
        documents, lines, words, bytes: of the input.
        criteria: per criterion its documents (`lines`: lines), bytes, shares of the input,
            examples, and whether they are dropped.
        dropped: documents and bytes that go for all criteria of `--drop` together; what only
            loses lines is not among them.
        kept: documents, sentences and bytes that were written.
        parts: written.
        against: evaluation texts that are looked for, those that a document overlaps, and
            those that are too short to be looked for.
        scratch_bytes: disk that signatures and keys took.
        seconds: 0 where the folder was complete already.
    """

    output: str
    files: int
    documents: int
    lines: int
    words: int
    bytes: int
    criteria: dict[str, dict[str, Any]]
    dropped: dict[str, int]
    kept: dict[str, int]
    parts: int
    against: dict[str, int]
    scratch_bytes: int
    seconds: float
    up_to_date: bool


class Pool(NamedTuple):
    """Where the work runs, see `pool.run_tasks`."""

    workers: int = 0
    executor: str = "processes"
    scheduler: str = ""

    def run(self, work: Callable[[T], R], tasks: Sequence[T], name: str) -> Iterator[R]:
        """The results of tasks, in the order of completion, with a bar."""
        results = run_tasks(
            work, tasks, workers=self.workers, executor=self.executor, scheduler=self.scheduler
        )
        yield from log.progress(results, total=len(tasks), description=name)

    def for_documents(self, count: int) -> Pool:
        """The pool for work on so many documents: of one process if they are few."""
        small = count < _SHARED_DOCUMENTS and self.executor == "processes"
        return self._replace(workers=1) if small else self
