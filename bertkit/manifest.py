"""Reads and writes `manifest.json`: what an output folder holds and what it was made from.

A command writes the manifest first, with state `incomplete`, adds each finished file to it,
and sets state `complete` at the end. Running the same command on the same folder again
resumes it or has nothing to do; another command or configuration is an error.
"""

from __future__ import annotations

import platform
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.config import flatten
from bertkit.errors import DataError
from bertkit.files import read_json, sha256_of, size_of, write_text
from bertkit.strict_json import json_text

NAME = "manifest.json"


@dataclass
class Manifest:
    """The contents of a `manifest.json`.

    Attributes:
        command: the subcommand that wrote the folder.
        config: every setting that decides the bytes (never the number of workers).
        inputs: path, size in bytes and sha256 of each input file, in order.
        outputs: file name → facts about a finished file (bytes, sha256, records, ...).
        stats: totals, for information only.
        state: `incomplete` or `complete`.
        versions: of bertkit, Python and its Unicode tables.
    """

    command: str
    config: dict[str, Any]
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    state: str = "incomplete"
    versions: dict[str, str] = field(
        default_factory=lambda: {
            "bertkit": __version__,
            "python": platform.python_version(),
            "unicode": unicodedata.unidata_version,
        }
    )

    def write(self, folder: str | Path) -> None:
        """Write `manifest.json` into the folder, atomically."""
        write_text(Path(folder) / NAME, json_text(asdict(self), indent=1, readable=True) + "\n")

    @property
    def complete(self) -> bool:
        """True once all outputs are written."""
        return self.state == "complete"


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a folder, or None where there is none.

    Raises:
        DataError: there is one, but it is not a manifest.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        return Manifest(**values)
    except TypeError as error:
        raise DataError(f"{path}: not a bertkit manifest ({error})") from error


def describe_inputs(paths: Sequence[str], threads: int = 1) -> list[dict[str, Any]]:
    """Path, size and sha256 of input files in the given order; `threads` are hashed at a time."""
    with ThreadPoolExecutor(threads) as pool:
        hashes = list(pool.map(sha256_of, paths))
    return [
        {"path": str(path), "bytes": size_of(path), "sha256": digest}
        for path, digest in zip(paths, hashes, strict=True)
    ]


def begin(folder: str | Path, planned: Manifest, overwrite: bool = False) -> Manifest:
    """Start a run in a folder, or find out how far the same run got there.

    Returns:
        The planned manifest (written, state `incomplete`); or, if the folder holds one of
        the same run, that one: `complete`, or with the outputs that are finished.

    Raises:
        DataError: the folder belongs to another run, or holds files and no manifest.
    """
    place = Path(folder)
    found = read_manifest(place)
    if found is not None and not overwrite:
        differences = compare(found, planned)
        if differences:
            raise DataError(
                f"{place} was made by another run: {'; '.join(differences)}",
                "give --overwrite to replace it, or another --output",
            )
        return found
    if found is None and not overwrite and place.exists() and any(place.iterdir()):
        raise DataError(
            f"{place} is not empty and has no {NAME}", "give an empty --output, or --overwrite"
        )
    for name in found.outputs if found else ():
        (place / name).unlink(missing_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    planned.write(place)
    return planned


def compare(found: Manifest, planned: Manifest) -> list[str]:
    """Differences between two runs that change their output, each as text."""
    differences = []
    if found.command != planned.command:
        differences.append(f"command {found.command}, now {planned.command}")
    before, after = flatten(found.config), flatten(planned.config)
    differences += [
        f"{key} {_short(before.get(key))}, now {_short(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    old, new = _hashes(found.inputs), _hashes(planned.inputs)
    if old != new:
        changed = sum(1 for a, b in zip(old, new, strict=False) if a != b)
        differences.append(f"{len(old)} inputs, now {len(new)}; {changed} of them changed")
    return differences


def require_complete(folder: str | Path) -> Manifest | None:
    """The folder's manifest, if it has one; an unfinished folder is an error.

    Raises:
        DataError: the command that writes the folder is still running or was killed.
    """
    manifest = read_manifest(folder)
    if manifest is not None and not manifest.complete:
        raise DataError(
            f"{folder} is incomplete: its {manifest.command} run did not finish",
            f"run the same `bertkit {manifest.command}` command again to resume it",
        )
    return manifest


def _hashes(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(entry.get("sha256")) for entry in inputs]


def _short(value: Any) -> str:
    text = json_text(value, readable=True)
    return text if len(text) <= 60 else text[:57] + "..."
