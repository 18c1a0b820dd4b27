"""What a run of `split` has finished, with notes for the run that goes on after it.

A finished file stands in the manifest. What the end of the run must know of it besides,
such as the test articles that were taken out, stands in a note in the hidden folder
`.notes`, which goes when the run is complete. Each note begins with a digest of the settings
and inputs that it was made from: what another run left behind is not taken for this one's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bertkit.corpus.output_folder import Stage
from bertkit.files import atomic_write
from bertkit.manifest import Manifest

NOTES = ".notes"


class Ledger:
    """The finished files of one output folder.

    Attributes:
        manifest: of the run.
        folder: where files are written before they are entered.
    """

    def __init__(self, manifest: Manifest, stage: Stage) -> None:
        self.manifest = manifest
        self.folder = Path(stage.folder)
        self._stage = stage
        made_from = json.dumps([manifest.config, [item["sha256"] for item in manifest.inputs]])
        self._key = hashlib.sha256(made_from.encode()).digest()

    def finished(self, name: str) -> bool:
        """True if an earlier run, or this one, has finished this file."""
        facts = self.manifest.outputs.get(name)
        return facts is not None and self._stage.holds(name, int(facts["bytes"]))

    def note(self, name: str) -> bytes | None:
        """The note that this run, before it was interrupted, entered under this name, or None."""
        blob = self._stage.read(f"{NOTES}/{name}")
        known = blob is not None and blob.startswith(self._key)
        return blob[len(self._key) :] if blob is not None and known else None

    def enter(self, name: str, facts: dict[str, Any], note: bytes | None = None) -> None:
        """Enter a file that has its name already; the note is there before the entry."""
        if note is not None:
            self._write_note(name, note)
        self.manifest.outputs[name] = facts
        self.manifest.write(self.folder)
        self._stage.keep(*([name] if note is None else [name, f"{NOTES}/{name}"]))

    def enter_note(self, name: str, note: bytes) -> None:
        """Keep something that belongs to no single file."""
        self._write_note(name, note)
        self._stage.keep(f"{NOTES}/{name}")

    def close(self) -> None:
        """Remove the notes: everything is finished."""
        self._stage.discard(NOTES)

    def _write_note(self, name: str, note: bytes) -> None:
        with atomic_write(self.folder / NOTES / name) as stream:
            stream.write(self._key + note)
