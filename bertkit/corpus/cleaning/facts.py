"""Takes over what the manifests of sentence files tell of them: language, splitter, form, chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertkit.files import is_remote
from bertkit.manifest import Manifest, read_manifest

# Settings of `extract` that say what its text is; the others say how the work was done.
_FACTS = ("form", "chain", "splitter", "language", "namespaces")
_WRITERS = ("extract", "split", "clean")


def facts_of(files: Sequence[str]) -> dict[str, Any]:
    """What is known of the text of these files; a list of values where they differ."""
    folders = dict.fromkeys(str(Path(name).parent) for name in files if not is_remote(name))
    found: dict[str, list[Any]] = {}
    for folder in folders:
        manifest = _manifest_of(Path(folder))
        for name in _FACTS if manifest is not None else ():
            if manifest is not None and name in manifest.config:
                values = found.setdefault(name, [])
                if manifest.config[name] not in values:
                    values.append(manifest.config[name])
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _manifest_of(folder: Path) -> Manifest | None:
    """Of the folder of a file, or of the one above, such as of split/train."""
    for place in (folder, folder.parent):
        manifest = read_manifest(place)
        if manifest is not None:
            return manifest if manifest.command in _WRITERS else None
    return None
