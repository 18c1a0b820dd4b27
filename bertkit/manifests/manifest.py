"""Reads and writes `manifest.json`: what an output folder holds and what it was made from.

A command writes the manifest first, with state `incomplete`, adds each finished file to it,
and sets state `complete` at the end. Running the same command on the same folder again
resumes it or has nothing to do; another command or configuration is an error.

A folder for a program that opens every file in it has its manifest below, in `.bertkit/`.
"""

from __future__ import annotations

import contextlib
import itertools
import platform
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.codecs.sealed_json import sealed
from bertkit.codecs.strict_json import json_text
from bertkit.errors import BertkitError, DataError
from bertkit.manifests import inputs as manifest_inputs
from bertkit.manifests import journal as manifest_journal
from bertkit.manifests import values as manifest_values
from bertkit.manifests.differences import compare, made_by_another
from bertkit.manifests.inputs import describe_inputs
from bertkit.manifests.journal import JOURNAL
from bertkit.storage.files import atomic_write, read_json, write_text
from bertkit.storage.folder_lock import locked_folder
from bertkit.storage.inner_names import remove_files
from bertkit.storage.temporary import remove_leftovers

NAME = "manifest.json"
# How `Manifest.write` begins a file, in any layout of the JSON.
_BEGINNING = re.compile(rb'\s*\{\s*"command"\s*:\s*"[a-z-]+"\s*,\s*"config"\s*:\s*\{')
_HEAD = 200
# A manifest that lists so many files is kept by a journal.
_JOURNALED = 100
# Seconds of finished files that a power failure may cost.
_SYNCED_EVERY = 1.0
HIDDEN_FOLDER = ".bertkit"

__all__ = ["JOURNAL", "Manifest", "describe_inputs"]


@dataclass
class Manifest:
    """The contents of a `manifest.json`.

    Attributes:
        command: the subcommand that wrote the folder.
        config: every setting that decides the bytes (never the number of workers).
        inputs: path, size in bytes and sha256 of each input file, in order; see
            `bertkit.manifests.inputs` for very many.
        outputs: file name → facts about a finished file (bytes, sha256, records, ...).
        stats: totals, for information only.
        tokenizer: vocabulary digests and treatment of text, where the outputs hold tokens; see
            `bertkit.tokenization.tokenizer_facts`.
        replaces: files of an earlier run that go once this one is complete (--overwrite).
        state: `incomplete` or `complete`.
        versions: of bertkit, Python and its Unicode tables.
        hidden: it lies in the folder's `.bertkit/`; not written down.
    """

    command: str
    config: dict[str, Any]
    inputs: Sequence[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    replaces: list[str] = field(default_factory=list)
    state: str = "incomplete"
    versions: dict[str, str] = field(
        default_factory=lambda: {
            "bertkit": __version__,
            "python": platform.python_version(),
            "unicode": unicodedata.unidata_version,
        }
    )
    hidden: bool = False

    def __post_init__(self) -> None:
        self._synced = 0.0

    def as_dict(self) -> dict[str, Any]:
        """What is written down, as plain values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["inputs"] = manifest_inputs.stated(self.inputs)
        del values["hidden"]
        if not self.replaces:
            del values["replaces"]
        return values

    def take(self, outputs: Mapping[str, dict[str, Any]], empty: Sequence[str] = ()) -> None:
        """Take over finished files; `empty` are names that had nothing to hold."""
        self.outputs.update(outputs)
        if empty:
            self.stats.setdefault("empty", []).extend(empty)

    def record(
        self,
        folder: str | Path,
        outputs: Mapping[str, dict[str, Any]],
        empty: Sequence[str] = (),
        whole: bool = False,
    ) -> None:
        """Take over finished files (`take`), so that they are known after a crash.

        The manifest of very many files is not written again for each of them: they are
        appended to a journal beside it, unless it must be `whole`.
        """
        self.take(outputs, empty)
        if whole or len(self.inputs) + len(self.outputs) < _JOURNALED:
            self.write(folder)
            return
        place = _places(folder)[self.hidden]
        entry = {"outputs": dict(outputs), "empty": list(empty)}
        now = time.monotonic()
        wait = now - self._synced >= _SYNCED_EVERY
        manifest_journal.append(folder, place, entry, wait)
        if wait:
            self._synced = now

    def write(self, folder: str | Path) -> None:
        """Write `manifest.json` into the folder, atomically; one in the other place goes."""
        if manifest_journal.is_of_earlier_version(folder):
            # First, so that it never adds to another manifest than its own.
            manifest_journal.remove(folder)
        self._put(folder)

    def _put(self, folder: str | Path) -> None:
        """Write `manifest.json`, then remove what it holds now, or no longer needs."""
        visible, hidden = _places(folder)
        place, other = (hidden, visible) if self.hidden else (visible, hidden)
        manifest_inputs.write_beside(self.inputs, place.parent)
        text = json_text(sealed(self.as_dict()), indent=1, readable=True)
        write_text(place, text + "\n")
        manifest_journal.remove(folder)
        if not self.replaces:  # what they were made from may have to be put back
            manifest_inputs.remove_others(self.inputs, place.parent)
        if is_own_manifest(other):
            other.unlink()
            if not self.replaces:
                manifest_inputs.remove_others(None, other.parent)

    @property
    def complete(self) -> bool:
        """True once all outputs are written."""
        return self.state == "complete"


def _places(folder: str | Path) -> tuple[Path, Path]:
    """Where the manifest of a folder may lie: in it, or hidden below it."""
    return Path(folder) / NAME, Path(folder) / HIDDEN_FOLDER / NAME


def manifest_path(folder: str | Path) -> Path | None:
    """The manifest of a folder, in either place; None where there is none.

    Other programs give lists of their own files the same name; these are none.
    """
    return next(filter(is_own_manifest, _places(folder)), None)


def is_own_manifest(path: str | Path) -> bool:
    """Whether a file of this name was written by bertkit, from its first bytes."""
    try:
        if not Path(path).is_file():  # a pipe would wait for a writer
            return False
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return _BEGINNING.match(head) is not None


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a folder, or None where there is none, see `manifest_path`.

    Raises:
        DataError: there is one, but it is damaged or of a later version.
    """
    path = manifest_path(folder)
    if path is None:
        return None
    values = manifest_values.checked(read_json(path), path)
    try:
        manifest = Manifest(**values, hidden=path.parent.name == HIDDEN_FOLDER)
    except TypeError as error:
        raise DataError(f"{path}: not a bertkit manifest ({error})") from error
    if not manifest.complete:
        for line in manifest_journal.lines(folder, path):
            entry = manifest_values.journal_entry(line, Path(folder) / JOURNAL)
            if entry is None:  # of an earlier version: one line is cut short at most
                break
            manifest.take(*entry)
    return manifest


@contextlib.contextmanager
def working_folder(
    folder: str | Path,
    planned: Manifest,
    overwrite: bool = False,
    reads: Sequence[str] = (),
) -> Iterator[Manifest]:
    """Hold an output folder for one command, and begin or resume its run there, see `begin`.

    What dead processes left half written is removed. What another run had made there, and
    this one did not make anew, is removed at the end of a block that completes the run. A
    run that is refused before its first file is finished leaves the folder as it was.

    Args:
        folder: local.
        planned: what the command is about to make.
        overwrite: replace what another run left in the folder.
        reads: further files that the run reads, beside the inputs of the manifest.

    Raises:
        BertkitError: another process works in the folder.
        DataError: as for `begin`.
    """
    with locked_folder(folder, planned.command):
        remove_leftovers(folder, owned=True, recursive=True)
        before = _files_before(folder)
        manifest = begin(folder, planned, overwrite, reads)
        try:
            yield manifest
        except BaseException as error:
            # Bad input and the like; what was only interrupted is resumed from its manifest.
            undone = bool(before) or isinstance(error, BertkitError)
            if undone and manifest is planned and not manifest.outputs:
                _undo(folder, before)
            raise
        if manifest.complete and manifest.replaces:
            _remove_replaced(Path(folder), manifest)


def begin(
    folder: str | Path, planned: Manifest, overwrite: bool = False, reads: Sequence[str] = ()
) -> Manifest:
    """Start a run in a folder, or find out how far the same run got there.

    Nothing is removed but the record of what another run made, and with it its claim to the
    files: the manifest lists them in `replaces` until the new run is complete.

    Returns:
        The planned manifest (written, state `incomplete`); or, if the folder holds one of
        the same run, that one: `complete`, or with the outputs that are finished.

    Raises:
        DataError: the folder belongs to another run, holds files and no manifest, or holds
            an input of this run that it would replace.
    """
    place = Path(folder)
    found = read_manifest(place)
    differences = compare(found, planned) if found is not None else []
    same = found is not None and not differences
    # A run that itself began with --overwrite goes on; a complete one is made again.
    if found and same and (not overwrite or (found.replaces and not found.complete)):
        return _resumed(found, planned, place)
    require_room(place, found, planned, differences, overwrite)
    if found is not None:
        planned.replaces = sorted({*found.outputs, *found.replaces})
        _require_inputs_elsewhere(place, planned, reads)
    place.mkdir(parents=True, exist_ok=True)
    planned.write(place)
    return planned


def require_room(
    place: Path,
    found: Manifest | None,
    planned: Manifest,
    differences: list[str],
    overwrite: bool = False,
) -> None:
    """Refuse a folder of another run, of another program, or with files that nobody lists.

    Args:
        place: the folder.
        found: its manifest, if it has one.
        planned: what is to be made there.
        differences: between the two.
        overwrite: what another run of bertkit left may be replaced.

    Raises:
        DataError: the folder is not to be written to.
    """
    if differences and found is not None and not overwrite:
        raise made_by_another(place, found, planned, differences)
    if found is None and not planned.hidden and (place / NAME).exists():
        raise DataError(
            f"{place / NAME} belongs to another program", "give another --output, or remove it"
        )
    if found is None and not overwrite and _holds_files(place):
        raise DataError(
            f"{place} is not empty and has no {NAME}", "give an empty --output, or --overwrite"
        )


def _holds_files(place: Path) -> bool:
    """Whether a folder holds anything but hidden files: locks, notes, what is being written."""
    return place.exists() and any(not path.name.startswith(".") for path in place.iterdir())


def _resumed(found: Manifest, planned: Manifest, place: Path) -> Manifest:
    """The manifest of a run that goes on, with all that its journal told."""
    inputs = found.inputs
    if isinstance(inputs, manifest_inputs.ManyInputs) and not inputs.is_there():
        found.inputs = planned.inputs
    # As older versions placed it; and so that nothing is added to a line cut short.
    if found.hidden != planned.hidden or (place / JOURNAL).exists():
        found.hidden = planned.hidden
        found._put(place)  # in whatever moment it is killed, the journal's lines stay
    return found


def _files_before(folder: str | Path) -> dict[Path, bytes]:
    """The manifest of a folder and its journal, to be put back; none where there is none."""
    path = manifest_path(folder)
    paths = [path, Path(folder) / JOURNAL] if path else []
    return {path: path.read_bytes() for path in paths if path.is_file()}


def _undo(folder: str | Path, before: Mapping[Path, bytes]) -> None:
    """Put the manifest back that a run which made nothing had replaced."""
    for path, blob in before.items():
        with atomic_write(path) as stream:
            stream.write(blob)
    for place in _places(folder):
        if place not in before and is_own_manifest(place):
            place.unlink()
    found = read_manifest(folder)
    for place in _places(folder):
        manifest_inputs.remove_others(found.inputs if found else None, place.parent)
    with contextlib.suppress(OSError):  # not empty, or not there
        (Path(folder) / HIDDEN_FOLDER).rmdir()


def _require_inputs_elsewhere(place: Path, planned: Manifest, reads: Sequence[str]) -> None:
    """Refuse to replace files that the run reads."""
    old = {(place / name).resolve() for name in planned.replaces}
    paths = (str(entry.get("path", "")) for entry in planned.inputs)
    for name in itertools.chain(paths, reads):
        if Path(name).resolve() in old:
            raise DataError(
                f"{name} is an input of this run and an output of the one in {place} that"
                " --overwrite replaces",
                "give another --output",
            )


def _remove_replaced(place: Path, manifest: Manifest) -> None:
    remove_files(place, (name for name in manifest.replaces if name not in manifest.outputs))
    manifest.replaces = []
    manifest.write(place)


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
