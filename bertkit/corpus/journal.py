"""Keeps the journal of a `split` run, from which an interrupted run resumes.

A finished file is listed in the manifest. What the end of the run must know of it besides,
such as the test articles that were taken out, is kept as a note in the hidden folder
`.notes`, which is removed when the run is complete. Each note begins with a digest of the
settings and inputs that it was made from, so that the notes of another run are ignored.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bertkit.corpus.output_folder import OutputFolder
from bertkit.manifests.manifest import Manifest
from bertkit.storage.files import atomic_write

NOTES = ".notes"


class Journal:
    """The finished files of one output folder.

    Attributes:
        manifest: of the run.
        folder: where files are written before they are recorded.
    """

    def __init__(self, manifest: Manifest, output: OutputFolder) -> None:
        self.manifest = manifest
        self.folder = Path(output.folder)
        self._output = output
        self._key = _digest(manifest)

    def finished(self, name: str) -> bool:
        """True if an earlier run, or this one, has finished this file."""
        facts = self.manifest.outputs.get(name)
        return facts is not None and self._output.holds(name, int(facts["bytes"]))

    def note(self, name: str) -> bytes | None:
        """The note that this run, before it was interrupted, wrote under this name, or None."""
        blob = self._output.read(f"{NOTES}/{name}")
        if blob is None or not blob.startswith(self._key):
            return None
        return blob[len(self._key) :]

    def record(self, name: str, facts: dict[str, Any], note: bytes | None = None) -> None:
        """List a file that has its name already; its note is written before that."""
        if note is not None:
            self._write_note(name, note)
        self.manifest.record(self.folder, {name: facts}, whole=self._output.remote)
        self._output.keep(*([name] if note is None else [name, f"{NOTES}/{name}"]))

    def record_note(self, name: str, note: bytes) -> None:
        """Keep something that belongs to no single file."""
        self._write_note(name, note)
        self._output.keep(f"{NOTES}/{name}")

    def close(self) -> None:
        """Remove the notes: everything is finished."""
        self._output.discard(NOTES)

    def _write_note(self, name: str, note: bytes) -> None:
        with atomic_write(self.folder / NOTES / name) as stream:
            stream.write(self._key + note)


def _digest(manifest: Manifest) -> bytes:
    """SHA-256 of the settings and of the hashes of the inputs, as JSON that is never held whole."""
    digest = hashlib.sha256(f"[{json.dumps(manifest.config)}, [".encode())
    between = b""
    for entry in manifest.inputs:
        digest.update(between + json.dumps(entry["sha256"]).encode())
        between = b", "
    digest.update(b"]]")
    return digest.digest()
