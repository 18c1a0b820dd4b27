"""Tells for a dry run what a run would find in its output folder, without reading its inputs."""

from __future__ import annotations

from pathlib import Path

from bertkit.manifests.differences import of_settings
from bertkit.manifests.inputs import total_bytes
from bertkit.manifests.manifest import Manifest, read_manifest, require_room

NEW = "new"
RESUMED = "resumed"
REPLACED = "replaced"
COMPLETE = "complete"
# For people.
MEANINGS = {
    NEW: "new",
    RESUMED: "begun before, goes on where it stopped",
    REPLACED: "what another run left there is replaced (--overwrite)",
    COMPLETE: "complete already, nothing to do unless the input has changed",
}


def output_state(
    folder: str | Path,
    planned: Manifest,
    *,
    input_bytes: int | None = None,
    overwrite: bool = False,
) -> str:
    """What becomes of an output folder: `new`, `resumed`, `replaced` or `complete`.

    Inputs are compared by their size alone: a dry run reads none of them whole.

    Args:
        folder: local.
        planned: command and settings of the run; its inputs do not count.
        input_bytes: of all inputs of the run; None: not known.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError: the run itself would be refused, see `bertkit.manifests.manifest.begin`.
    """
    place = Path(folder)
    found = read_manifest(place)
    differences = of_settings(found, planned) if found is not None else []
    if found is not None and input_bytes is not None:
        before = total_bytes(found.inputs)
        if before != input_bytes:
            differences.append(f"{before:,} bytes of input, now {input_bytes:,}")
    require_room(place, found, planned, differences, overwrite)
    if found is None:
        return NEW
    if differences or (overwrite and (found.complete or not found.replaces)):
        return REPLACED
    return COMPLETE if found.complete else RESUMED
