"""Parses the manifest of a folder once for all of its files that ask for it."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import NamedTuple

from bertkit.manifests.manifest import Manifest, manifest_path, read_manifest


class Stamp(NamedTuple):
    """A state of a folder's manifest: the folder, when it was changed, its size in bytes."""

    folder: str
    changed: int
    size: int


def stamp_of(folder: str | Path) -> Stamp | None:
    """The present state of a folder's manifest, None where there is none."""
    place = manifest_path(folder)
    if place is None:
        return None
    facts = place.stat()
    return Stamp(os.path.abspath(folder), facts.st_mtime_ns, facts.st_size)  # noqa: PTH100


def cached_manifest(folder: str | Path) -> Manifest | None:
    """As `read_manifest`, for a folder that no run is filling; not to be changed."""
    stamp = stamp_of(folder)
    return _parsed(stamp) if stamp else None


@functools.lru_cache(maxsize=8)
def _parsed(stamp: Stamp) -> Manifest | None:
    return read_manifest(stamp.folder)
