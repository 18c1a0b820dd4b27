"""Keeps beside each copy of a remote file what is known of it: URL, size, state and SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.storage.shared_cache import cache_folder

_ENDING = ".fetched"


def copies_folder() -> Path:
    """Where copies of remote files lie, in the folders of their URLs."""
    return cache_folder() / "remote"


def place_of_copy(url: str) -> Path:
    """Where the copy of a URL belongs: folders of its own names below `copies_folder`."""
    protocol, _, rest = url.partition("://")
    rest, _, query = rest.partition("?") if protocol.startswith("http") else (rest, "", "")
    parts = [part if part not in (".", "..") else f"%{part}" for part in rest.split("/") if part]
    if query:
        parts.insert(-1, hashlib.sha256(query.encode()).hexdigest()[:8])
    return copies_folder().joinpath(protocol.replace(":", "_"), *parts)


def facts_path(copy: Path) -> Path:
    """The hidden file of what is known of a copy."""
    return copy.with_name(f".{copy.name}{_ENDING}")


def read_facts(copy: Path) -> dict[str, Any]:
    """What is known of a copy: url, bytes, state, sha256, written (ns); empty if nothing."""
    try:
        found = json.loads(facts_path(copy).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def copies_below(folder: Path) -> list[Path]:
    """The places of all copies below a folder, whether they are there or not."""
    return [
        facts.with_name(facts.name[1:].removesuffix(_ENDING))
        for facts in folder.rglob(f".*{_ENDING}")
    ]


def forget(copy: Path) -> None:
    """Remove a copy and what is known of it."""
    copy.unlink(missing_ok=True)
    facts_path(copy).unlink(missing_ok=True)


def url_of(path: str | Path) -> str:
    """Where a copy was fetched from; any other path as it is."""
    return str(read_facts(Path(path)).get("url", path)) if _is_copy(path) else str(path)


def require_as_fetched(path: str | Path, sha256: str) -> None:
    """Refuse a copy whose bytes are not those that came, and forget it.

    Args:
        path: a copy, or any other path, of which nothing is asked.
        sha256: of the file's bytes now.

    Raises:
        DataError: the disk, or somebody, has changed the copy.
    """
    if not _is_copy(path):
        return
    known = read_facts(Path(path))
    if known.get("sha256", sha256) != sha256:
        forget(Path(path))
        raise DataError(
            f"the copy of {known.get('url')} in {path} is damaged: its SHA-256 is not that of "
            "the file that was fetched",
            "it was removed: run the same command again to fetch it anew",
        )


def _is_copy(path: str | Path) -> bool:
    return str(path).startswith(str(copies_folder()) + os.sep)
