"""Writes parts as tasks, with notes of what the end of a `split` must know of each.

The notes are kept in files until then (journal.py), so that parts may be finished in any order,
and by an earlier run.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from bertkit.corpus.journal import Journal
from bertkit.workers.engine import Engine


class Sides:
    """Hashes of the documents of each side, to find those that stand on more than one."""

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}

    def add(self, side: str, hashes: Sequence[int]) -> None:
        """Note documents by `hash_of`."""
        self._hashes.setdefault(side, array("Q")).extend(hashes)

    def duplicates(self) -> tuple[int, int]:
        """(documents that repeat another, distinct documents on more than one side)."""
        import numpy as np

        sides = [np.frombuffer(hashes, dtype=np.uint64) for hashes in self._hashes.values()]
        total = sum(len(side) for side in sides)
        distinct = [np.unique(side) for side in sides]
        if not distinct:
            return 0, 0
        values, counts = np.unique(np.concatenate(distinct), return_counts=True)
        return int(total - len(values)), int((counts > 1).sum())


def hash_of(text: str) -> int:
    """64 bits that two documents share if they differ in case and spacing at most."""
    same = " ".join(text.casefold().split()).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(same, digest_size=8).digest(), "big")


class Note(NamedTuple):
    """What the end of the run must know of a finished part.

    Attributes:
        hashes: of its documents, by `hash_of`.
        held: the test articles that were taken out of its files.
    """

    hashes: list[int]
    held: list[str]


class Written(NamedTuple):
    """A part that a task has written: its name, what the manifest says of it, and its note."""

    name: str
    facts: dict[str, Any]
    note: Note


class Named(Protocol):
    """A task, which has the name of its part."""

    @property
    def name(self) -> str:
        """Of the file, relative to the output folder."""


T = TypeVar("T", bound=Named)


def written_parts(
    write: Callable[[T], Written], tasks: Sequence[T], journal: Journal, engine: Engine
) -> Iterator[tuple[str, Note]]:
    """Write the parts that are missing; then name and note of every part, in order.

    Args:
        write: writes one; runs where the engine says.
        tasks: of all parts.
        journal: gets each part as it is finished.
        engine: what runs the tasks.
    """
    left = [task for task in tasks if _note_of(journal, task.name) is None]
    for name, facts, note in engine.run(write, left, "split"):
        engine.arrived(journal.folder, [name])
        blob = json.dumps(note._asdict(), ensure_ascii=False).encode("utf-8")
        journal.record(name, facts, blob)
    outputs = journal.manifest.outputs
    first = {task.name: outputs[task.name] for task in tasks}
    journal.manifest.outputs = {**first, **outputs}
    for task in tasks:
        kept = _note_of(journal, task.name)
        assert kept is not None, f"{task.name} is finished"
        yield task.name, kept


def _note_of(journal: Journal, name: str) -> Note | None:
    """The note of a part that is finished; None for one that is still to be made."""
    blob = journal.note(name) if journal.finished(name) else None
    return Note(**json.loads(blob)) if blob is not None else None
