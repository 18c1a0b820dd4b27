"""Compares input files with the checksums that the manifests beside them list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.manifests.cache import cached_manifest
from bertkit.storage.files import sha256_of


def require_listed(described: Iterable[Mapping[str, Any]]) -> None:
    """Refuse inputs that are other files than those of the same names in their manifests.

    Args:
        described: path and, where it was computed, sha256 of each, as
            `manifest.describe_inputs` gives them.

    Raises:
        DataError: one is damaged or was replaced; names it.
    """
    for entry in described:
        # Those with other hashes carry checksums of their own.
        wanted = listed_sha256(str(entry["path"])) if "sha256" in entry else ""
        if wanted and wanted != entry["sha256"]:
            raise changed(str(entry["path"]))


def require_as_written(folder: str | Path, names: Iterable[str]) -> None:
    """Refuse files of a folder that are not those which its manifest lists; reads them.

    Raises:
        DataError: one is damaged or was replaced; names it.
    """
    for name in names:
        path = Path(folder) / name
        wanted = listed_sha256(str(path))
        if wanted and path.is_file() and wanted != sha256_of(path):
            raise changed(str(path))


def listed_sha256(path: str) -> str:
    """What the manifest of a file's folder lists as its SHA-256; empty for nothing."""
    place = Path(path)
    manifest = cached_manifest(place.parent)
    facts = manifest.outputs.get(place.name, {}) if manifest else {}
    return str(facts.get("sha256", ""))


def changed(path: str) -> DataError:
    """The error for a file that is not the one that its manifest lists."""
    return DataError(
        f"{path}: damaged or replaced: its SHA-256 is not the one in its manifest",
        f"make or fetch it again; if it was changed on purpose, remove the manifest in"
        f" {Path(path).parent}",
    )
