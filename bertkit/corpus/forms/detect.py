"""Detects the form of a file by its first bytes, its name, its first line or its writer."""

from __future__ import annotations

import functools
from pathlib import Path

from bertkit.corpus import forms
from bertkit.corpus.forms.form import Form
from bertkit.corpus.lines import first_line, head_of
from bertkit.errors import DataError
from bertkit.files import is_remote
from bertkit.manifest import NAME as MANIFEST
from bertkit.manifest import Manifest, read_manifest

_COMPRESSIONS = (".gz", ".bz2", ".xz", ".lzma")
# Archives that cannot be read in one pass: zip, 7z and rar.
_UNREADABLE = (b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")
_HEAD_BYTES = 1024


def detect_form(path: str) -> Form:
    """The form of a file; plain text, one document per file, where no form claims it.

    Raises:
        DataError: unreadable, or an archive that must be unpacked first.
    """
    return (
        _by_signature(path)
        or _by_ending(path)
        or _by_first_line(path)
        or _by_writer(path)
        or forms.FALLBACK
    )


def _by_signature(path: str) -> Form | None:
    head = head_of(path, _HEAD_BYTES)
    if head.startswith(_UNREADABLE):
        raise DataError(f"{path} is an archive of files", "unpack it, then give the folder")
    containers_first = sorted(forms.TABLE, key=lambda form: not form.container)
    return next(
        (form for form in containers_first if form.signature and form.signature(head)), None
    )


def _by_ending(path: str) -> Form | None:
    name = path.lower()
    for ending in _COMPRESSIONS:
        name = name.removesuffix(ending)
    return next(
        (form for form in forms.TABLE if form.endings and name.endswith(form.endings)), None
    )


def _by_first_line(path: str) -> Form | None:
    line = first_line(path)
    return next((form for form in forms.TABLE if form.first_line and form.first_line(line)), None)


def _by_writer(path: str) -> Form | None:
    """By the manifest of the folder of a file, or of the folder above."""
    for folder in () if is_remote(path) else Path(path).absolute().parents[:2]:
        manifest = _manifest_of(folder)
        for form in forms.TABLE if manifest is not None else ():
            if manifest is not None and manifest.command in form.written_by:
                return form
    return None


def _manifest_of(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return _parsed(str(folder), path.stat().st_mtime_ns) if path.is_file() else None


@functools.lru_cache(maxsize=64)
def _parsed(folder: str, changed: int) -> Manifest | None:
    # Parsed once per folder, not once per file of a large corpus.
    return read_manifest(folder)
