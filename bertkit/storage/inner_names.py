"""Checks names from files that others wrote before they become paths inside a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bertkit.errors import DataError


def is_inner_name(name: object) -> bool:
    """Whether a name is a relative path that goes down only: no `..`, no root, no empty part."""
    if not isinstance(name, str) or "\0" in name or Path(name).is_absolute():
        return False
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half of a character, which JSON can hold
        return False
    parts = name.replace("\\", "/").split("/") if os.name == "nt" else name.split("/")
    return all(part not in ("", ".", "..") for part in parts)


def require_inner_names(names: Iterable[object], source: str | Path) -> None:
    """Refuse a list of a folder's files that names others.

    Raises:
        DataError: a name is no path below the folder; says which, and where it stands.
    """
    for name in names:
        if not is_inner_name(name):
            raise DataError(
                f"{source} lists {name!r}, which is no file below its folder",
                "the file is damaged, or not what it seems: do not use the folder, or remove it",
            )


def remove_files(folder: str | Path, names: Iterable[str]) -> None:
    """Delete files below a folder; what a link leads out of it, and what is no file, stays."""
    root = Path(folder).resolve()
    for name in names:
        path = Path(folder) / name
        if not is_inner_name(name) or (path.is_dir() and not path.is_symlink()):
            continue
        # The folder that the name is removed from: a link itself may lead anywhere.
        above = path.parent.resolve()
        if above == root or root in above.parents:
            path.unlink(missing_ok=True)
