"""Remembers the digests of text files in the text cache, so that a start does not read them all.

A digest is taken as long as the file is the same by inode, size and time of the last change in
nanoseconds. What was changed in the last two seconds is not remembered: a second change
could have the same time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.remote.facts import require_as_fetched
from bertkit.storage.files import read_json, sha256_of, write_text
from bertkit.storage.shared_cache import one_process_at_a_time

NAME = "digests.json"
_SETTLED_NS = 2_000_000_000


def remembered_digests(paths: Sequence[str], folder: str | Path | None) -> list[tuple[str, str]]:
    """(path, SHA-256 in hex) of each file, in the given order.

    Args:
        paths: local files.
        folder: of the cache, where the digests are kept; None computes all of them.

    Raises:
        DataError: a file cannot be read, or is a damaged copy of a remote one.
    """
    if folder is None:
        return [(path, _digest(path)) for path in paths]
    place = Path(folder) / NAME
    with one_process_at_a_time(Path(folder)):
        before = _read(place)
        entries: dict[str, Any] = {}
        found: dict[str, str] = {}
        renewed: set[str] = set()
        for path in paths:
            key, state = os.path.realpath(path), _state(path)
            entry = before.get(key)
            if not isinstance(entry, dict) or entry.get("state") != state:
                entry = {"state": state, "sha256": _digest(path)}
            found[path] = str(entry["sha256"])
            renewed.add(key)
            if time.time_ns() - state[2] > _SETTLED_NS and _state(path) == state:
                entries[key] = entry
        kept = {key: entry for key, entry in before.items() if key not in renewed} | entries
        if kept != before:
            write_text(place, json.dumps(kept, indent=1))
    return [(path, found[path]) for path in paths]


def _digest(path: str) -> str:
    digest = sha256_of(path)
    require_as_fetched(path, digest)
    return digest


def _state(path: str) -> list[int]:
    """Inode, size and time of change in nanoseconds."""
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return [facts.st_ino, facts.st_size, facts.st_mtime_ns]


def _read(place: Path) -> dict[str, Any]:
    """What is remembered; nothing where the file is absent or damaged."""
    try:
        values = read_json(place)
    except DataError:
        return {}
    return values if isinstance(values, dict) else {}
