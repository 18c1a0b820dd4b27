"""Takes over what the manifests of sentence files tell of them: language, splitter, form, chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.config import SplitConfig
from bertkit.manifests.manifest import read_manifest
from bertkit.storage.files import is_remote

# Settings of a command that say how its work was done, not what its text is.
_WORK = {
    "extract": {"limit", "strict", "part_megabytes", "max_document_megabytes"},
    "split": {item.name for item in fields(SplitConfig)},
    "clean": {item.name for item in fields(CleanConfig)},
}


def facts_of(files: Sequence[str]) -> dict[str, Any]:
    """What is known of the text of these files; a list of values where they differ."""
    folders = dict.fromkeys(str(Path(name).parent) for name in files if not is_remote(name))
    found: dict[str, list[Any]] = {}
    for folder in folders:
        for name, value in _facts_in(Path(folder)).items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _facts_in(folder: Path) -> dict[str, Any]:
    """By the manifest of a folder, or of the one above, such as of split/train."""
    for place in (folder, folder.parent):
        manifest = read_manifest(place)
        if manifest is not None:
            work = _WORK.get(manifest.command)
            if work is None:
                return {}
            return {name: value for name, value in manifest.config.items() if name not in work}
    return {}
