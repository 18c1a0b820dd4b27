"""Keeps the journal of an output folder: finished files that its manifest does not list yet.

Its first line names the manifest that it adds to, by a digest of that file: beside any other
one it says nothing. Each line begins with a checksum; a line cut short by a crash is dropped.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertkit.files import sha256_of, sync_path
from bertkit.strict_json import json_text

JOURNAL = ".manifest.journal"


def append(folder: str | Path, manifest: Path, entry: dict[str, Any]) -> None:
    """Add a line and wait until it is on the disk; the first one begins the journal.

    Args:
        folder: where the journal lies.
        manifest: the file that it adds to.
        entry: plain data.
    """
    path = Path(folder) / JOURNAL
    begins = not path.exists()
    lines = [{"manifest": sha256_of(manifest)}] if begins else []
    with open(path, "ab") as stream:
        stream.write(b"".join(map(_line, [*lines, entry])))
        stream.flush()
        os.fsync(stream.fileno())
    if begins:
        sync_path(folder)


def entries(folder: str | Path, manifest: Path) -> Iterator[dict[str, Any]]:
    """What was appended since a manifest was written.

    Lines of journals that earlier versions wrote have no checksums, and no first line.
    """
    try:
        lines = (Path(folder) / JOURNAL).read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    if is_of_earlier_version(folder):
        for line in lines:
            found = _parsed(line)
            if found is None:
                return
            yield found
        return
    found = _checked(lines[0]) if lines else None
    if found is None or found.get("manifest") != sha256_of(manifest):
        return
    for line in lines[1:]:
        found = _checked(line)
        if found is not None:  # a file whose line is damaged is made again
            yield found


def is_of_earlier_version(folder: str | Path) -> bool:
    """Whether there is a journal that does not say which manifest it adds to."""
    try:
        with open(Path(folder) / JOURNAL, "rb") as stream:
            return stream.read(1) == b"{"
    except OSError:
        return False


def remove(folder: str | Path) -> None:
    """Remove the journal, if there is one."""
    (Path(folder) / JOURNAL).unlink(missing_ok=True)


def _line(entry: dict[str, Any]) -> bytes:
    text = json_text(entry, compact=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None where its checksum is another one."""
    head, _, text = line.partition(b" ")
    return _parsed(text) if head == b"%08x" % zlib.crc32(text) else None


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
