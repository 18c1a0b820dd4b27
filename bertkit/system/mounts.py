"""Reads the list that Linux keeps of what is mounted where (`/proc/PID/mountinfo`, proc(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ESCAPED = re.compile(rb"\\([0-7]{3})")  # spaces and the like in names


@dataclass(frozen=True)
class Mount:
    """One line of the list.

    Attributes:
        device: its numbers, major and minor.
        root: the folder of the file system that is shown.
        place: where.
        kind: of the file system.
        options: of the file system.
    """

    device: tuple[int, int]
    root: str
    place: str
    kind: str
    options: tuple[str, ...]


def mounts(path: str | Path) -> Iterator[Mount]:
    """The mounts in such a list; none where there is no list, as on other systems.

    Args:
        path: of the list. Lines: `id parent major:minor root place options ... - kind source
            options`.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        before, dash, behind = line.partition(b" - ")
        fields, of_system = before.split(b" "), behind.split(b" ")
        if not dash or len(fields) < 5:
            continue
        major, _, minor = fields[2].partition(b":")
        options = _name(of_system[2]) if len(of_system) > 2 else ""
        yield Mount(
            device=(int(major), int(minor)),
            root=_name(fields[3]),
            place=_name(fields[4]),
            kind=_name(of_system[0]),
            options=tuple(options.split(",")),
        )


def _name(field: bytes) -> str:
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 255]), field)
    return plain.decode("utf-8", "surrogateescape")
