"""Keeps what `clean` knows of documents in files, so that memory need not hold it.

A result is written under names of its own, then its note, which begins with a key of all
that it was made from. What a note of another key tells is made again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertkit.storage.files import atomic_write, read_json

# Smaller files are read as a whole; of larger ones only the part that is asked for.
_MAPPED = 1 << 16
_STEP = 1 << 20


def key_of(*facts: Any) -> str:
    """A digest of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Scratch(NamedTuple):
    """A folder of arrays and notes.

    Attributes:
        folder: local, and seen by all workers.
        durable: it outlives the run, so that files must be on the disk before their notes.
    """

    folder: str
    durable: bool = False

    def path(self, name: str) -> Path:
        """Where a file of this name lies."""
        return Path(self.folder) / name

    def save(self, name: str, array: np.ndarray) -> None:
        """Write an array."""
        with atomic_write(self.path(f"{name}.npy"), self.durable) as stream:
            np.save(stream, array)

    def holds(self, name: str) -> bool:
        """Whether an array of this name is there; it is complete then."""
        return self.path(f"{name}.npy").is_file()

    def load(self, name: str) -> np.ndarray:
        """An array, mapped into memory where it is large."""
        path = self.path(f"{name}.npy")
        array: np.ndarray = np.load(path, "r" if path.stat().st_size > _MAPPED else None)
        return array

    def note(self, name: str, key: str) -> Any:
        """What was noted under this name and key, or None."""
        path = self.path(f"{name}.json")
        if not path.is_file():
            return None
        found = read_json(path)
        return found["facts"] if found.get("key") == key else None

    def record(self, name: str, key: str, facts: Any) -> None:
        """Note that all files of a result are written."""
        with atomic_write(self.path(f"{name}.json"), self.durable) as stream:
            stream.write(json.dumps({"key": key, "facts": facts}).encode())

    def table(self, name: str, length: int, dtype: Any, fill: Any) -> np.ndarray:
        """A new array in a file, to be changed in place and opened by workers."""
        path = self.path(f"{name}.table")
        path.parent.mkdir(parents=True, exist_ok=True)
        table = np.memmap(path, dtype, "w+", shape=(max(1, length),))[:length]
        for start in range(0, length, _STEP):
            table[start : start + _STEP] = fill
        return table

    def open_table(self, name: str, length: int, dtype: Any) -> np.ndarray:
        """The table of a name, for reading."""
        path = self.path(f"{name}.table")
        return np.memmap(path, dtype, "r", shape=(max(1, length),))[:length]
