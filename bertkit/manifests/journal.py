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

from bertkit.codecs.strict_json import json_text
from bertkit.storage.files import sha256_of, sync_path

JOURNAL = ".manifest.journal"


def append(folder: str | Path, manifest: Path, entry: dict[str, Any], wait: bool = True) -> None:
    """Add a line; the first one begins the journal.

    Args:
        folder: where the journal lies.
        manifest: the file that it adds to.
        entry: plain data.
        wait: until it is on the disk; without, it outlives the process, and no power failure.
    """
    path = Path(folder) / JOURNAL
    begins = not path.exists()
    first = [_head(manifest)] if begins else []
    with open(path, "ab") as stream:
        stream.write(b"".join(map(_line, [*first, entry])))
        stream.flush()
        if wait or begins:
            os.fsync(stream.fileno())
    if begins:
        sync_path(folder)


def lines(folder: str | Path, manifest: Path) -> Iterator[bytes]:
    """What was appended since a manifest was written, each line as JSON.

    Journals of earlier versions say neither what they add to nor checksums: all lines are given.
    """
    try:
        found = (Path(folder) / JOURNAL).read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    if is_of_earlier_version(folder):
        yield from found
        return
    head = _checked(found[0]) if found else None
    if head is None or json.loads(head) != _head(manifest):
        return
    for line in found[1:]:
        text = _checked(line)
        if text is not None:  # a file whose line is damaged is made again
            yield text


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


def _head(manifest: Path) -> dict[str, str]:
    """The first line of a journal that adds to a manifest as it is now."""
    return {"manifest": sha256_of(manifest)}


def _line(entry: dict[str, Any]) -> bytes:
    text = json_text(entry, compact=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> bytes | None:
    """The JSON of a line; None where its checksum is another one."""
    head, _, text = line.partition(b" ")
    return text if head == b"%08x" % zlib.crc32(text) else None
