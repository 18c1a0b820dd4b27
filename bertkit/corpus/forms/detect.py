"""Detects the form of a raw file by its content first, then by its name; says why.

One detector serves files, compressed streams and members of archives alike: it looks at the
first bytes of a `RawFile`, wherever that comes from.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bertkit.codecs.packed_stream import without_ending
from bertkit.corpus import forms
from bertkit.corpus.document import Noticed, Piece, Rejected, Treatment, treated
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.program_code import is_code
from bertkit.corpus.forms.refuse import refuse_foreign, refuse_zipped_document
from bertkit.corpus.noticed import MEMBER
from bertkit.corpus.raw_file import RawFile, as_utf8, encoding_of
from bertkit.errors import DataError
from bertkit.manifests.manifest import NAME as MANIFEST
from bertkit.manifests.manifest import Manifest, read_manifest
from bertkit.storage.files import is_remote

HEAD = 1 << 16
# The reason why a file of program code is taken as text.
CODE = "it looks like program code"


class Detection(NamedTuple):
    """What a raw file was taken for.

    Attributes:
        form: its form.
        reason: why, as words that follow its name, such as `by the ending of its name`.
    """

    form: Form
    reason: str


def detect(file: RawFile, options: ReadOptions | None = None) -> Detection:
    """The form of a raw file; plain text, one document per file, where it looks like that.

    Args:
        file: whose first bytes are looked at.
        options: `text_key` tells where the text is.

    Raises:
        DataError: unreadable, or neither of a known form nor plain text; says what it looks
            like and what to do; or no known key or column holds its text.
    """
    found = recognised(file)
    if found.form.describe is None:
        return found
    text = as_utf8(file.head(HEAD), encoding_of(file))
    more = found.form.describe(file, text, options or ReadOptions()) if text.strip() else ""
    return Detection(found.form, ", ".join(filter(None, (found.reason, more))))


def recognised(file: RawFile) -> Detection:
    """`detect`, whatever holds the text of the file."""
    head = file.head(HEAD)
    text = as_utf8(head, encoding_of(file))
    refuse_zipped_document(file, head)
    writer, sure = _by_writer(file)
    found = (
        (writer if sure else None) or _by_signature(head, text) or writer or _by_first_line(text)
    )
    if found is None:
        refuse_foreign(file, head, text)
        found = _by_ending(file) or Detection(forms.FALLBACK, _looks_like(text))
    return found


def _looks_like(text: bytes) -> str:
    if not text.strip():
        return "it is empty"
    return CODE if is_code(text) else "it looks like nothing else"


def detect_form(path: str) -> Form:
    """The form of the file at a path; errors as `detect`."""
    return detect(RawFile.of(path)).form


def given_form(file: RawFile, name: str) -> Form:
    """The form that `--form` gives to a file; an archive stays one, whose members have it."""
    given = forms.form_named(name)
    if given.container:
        return given
    head = file.head(HEAD)
    for form in forms.TABLE:
        if form.container and form.signature and form.signature(head):
            return form
    return given


def read_member(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The documents of a member of an archive, read by the code that reads such a file.

    Args:
        file: an open stream, or a file that the member was copied to.
        options: as for the archive; `form` for all its members, or empty to look at each.

    Yields:
        What form it has; its documents with the treatment of that form; `Rejected` for a
        member that is damaged or looks like nothing that can be read.
    """
    try:
        form = given_form(file, options.form) if options.form else detect(file, options).form
        if not form.container:
            yield Noticed(MEMBER, form.name, file.name)
        for piece in form.read(file, options):
            yield piece if form.treatment == Treatment() else treated(piece, form.treatment)
    except DataError as error:
        yield Rejected(file.name, error.message.removeprefix(file.name).lstrip(": "))


def _by_signature(head: bytes, text: bytes) -> Detection | None:
    recoded = text is not head and text != head
    found = None
    for form in forms.TABLE:
        begins = form.signature
        if begins is None or (found and not form.container):
            continue
        if begins(head) or (recoded and begins(text)):
            found = form
            if form.container:  # whose first member could begin as another form does
                break
    return Detection(found, found.reason or "by its first bytes") if found else None


def _by_writer(file: RawFile) -> tuple[Detection | None, bool]:
    """By the manifest of its folder, or of the folder above; and whether that lists the file."""
    if not file.path or is_remote(file.path):
        return None, False
    above, slash, name = file.path.rpartition(os.sep)
    if not above.startswith(os.sep):
        above = _absolute(above + slash, str(Path.cwd()))
    path = folder = f"{above}{os.sep}{name}"
    for _ in range(2):
        folder = folder.rpartition(os.sep)[0]
        manifest = _manifest_of(folder)
        for form in forms.TABLE if manifest is not None else ():
            if manifest is not None and manifest.command in form.written_by:
                listed = path[len(folder) + 1 :].replace(os.sep, "/") in manifest.outputs
                return Detection(form, f"bertkit {manifest.command} wrote it"), listed
    return None, False


def _by_first_line(text: bytes) -> Detection | None:
    # `lines` end with a newline only.
    line = text.lstrip().partition(b"\n")[0]
    for form in forms.TABLE if line else ():
        if form.first_line and form.first_line(line):
            return Detection(form, form.reason or "by its first line")
    return None


def _by_ending(file: RawFile) -> Detection | None:
    name = without_ending(file.name)
    for form in forms.TABLE:
        if form.endings and name.endswith(form.endings):
            return Detection(form, "by the ending of its name")
    return None


def _manifest_of(folder: str) -> Manifest | None:
    try:
        changed = os.stat(f"{folder}/{MANIFEST}").st_mtime_ns  # noqa: PTH116 - for every file
    except OSError:
        return None
    return _parsed(folder, changed)


@functools.lru_cache(maxsize=64)
def _absolute(folder: str, current: str) -> str:
    return str(Path(current, folder))


@functools.lru_cache(maxsize=64)
def _parsed(folder: str, changed: int) -> Manifest | None:
    # Parsed once per folder, not once per file of a large corpus.
    return read_manifest(folder)
