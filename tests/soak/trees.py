"""Compares outputs byte for byte, but for what tells times."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

# Facts that tell times or paths, and checksums over them.
_TIMES = {
    "seconds", "tokens_per_second", "sequences_per_second", "steps_per_second", "mfu", "state",
    "questions_per_second", "windows_per_second", "fetched_bytes", "url", "checksum", "since",
}  # fmt: skip
# They grow while a command runs, so that their content says nothing before its end.
GROWING = ("manifest.json", ".manifest.journal", "metrics.jsonl", "config.yaml", "machine.json",
           "digests.json", ".bertkit.lock", "lock", "survey")  # fmt: skip


def tree(place: Path) -> dict[str, str]:
    """Relative name → digest of every file and empty folder below a folder, hidden ones too."""
    return {
        str(path.relative_to(place)): _digest(path, str(place)) if path.is_file() else "folder"
        for path in sorted(place.rglob("*"))
        if path.is_file() or (path.is_dir() and not any(path.iterdir()))
    }


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is missing, extra or changed, a text each."""
    notes = [f"missing {name}" for name in sorted(wanted.keys() - found.keys())]
    notes += [f"extra {name}" for name in sorted(found.keys() - wanted.keys())]
    both = sorted(wanted.keys() & found.keys())
    return notes + [f"changed {name}" for name in both if wanted[name] != found[name]]


def half_written(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Files under their final names that are not what they should be."""
    return [
        name
        for name, digest in found.items()
        if name in wanted and digest != wanted[name] and name.rpartition("/")[2] not in GROWING
    ]


def remove(place: Path) -> None:
    """A file or folder, if it is there."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _digest(path: Path, place: str) -> str:
    blob = path.read_bytes()
    if path.suffix in (".json", ".jsonl") or path.name == ".manifest.journal":
        blob = _without_times(blob)
    if path.suffix == ".html":
        blob = b"page"  # has times in its curves
    return hashlib.sha256(blob.replace(place.encode(), b"@")).hexdigest()


def _without_times(blob: bytes) -> bytes:
    try:
        values = json.loads(blob)
        return json.dumps(_strip(values), sort_keys=True).encode()
    except ValueError:
        pass
    try:
        lines = [json.loads(line) for line in blob.splitlines()]
    except ValueError:
        return blob
    return "\n".join(json.dumps(_strip(line), sort_keys=True) for line in lines).encode()


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _strip(item)
            for key, item in value.items()
            if key not in _TIMES or (key == "state" and isinstance(item, str))
        }
    return [_strip(item) for item in value] if isinstance(value, list) else value
