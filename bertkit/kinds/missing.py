"""Says of a path that is not there how far it leads, and which name near it there is."""

from __future__ import annotations

import glob
from pathlib import Path

from bertkit.errors import shortened
from bertkit.hub.names import hub_name

_NAMES = 5  # so many of a folder are listed


def hint_for_missing(path: str | Path) -> str:
    """What to do about a local path, or a pattern, at which nothing is.

    Names that look like it are proposed; else the part of it that is there, and what that holds.
    """
    if str(path) == "-":
        return "standard input is not read here: write it to a file first, and give that"
    place = Path(path)
    above = place.parent
    if glob.has_magic(str(path)):
        return f"no name matches this pattern; {_contents(above)}"
    if not above.is_dir():
        gone = above
        while not gone.parent.is_dir():
            gone = gone.parent
        model = hub_name(str(path))
        other = (
            f"; {model} as the name of a model on the hub is for `bertkit inspect`, and for where"
            " a checkpoint or a vocabulary is asked for"
        )
        return f"check the path: there is no folder {gone}{other if model else ''}"
    near = _near(place.name, _names(above))
    if near:
        return f"did you mean {' or '.join(str(above / name) for name in near)}?"
    return f"check the path; {_contents(above)}"


def _near(name: str, names: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, names, n=2, cutoff=0.75)


def _names(folder: Path) -> list[str]:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def _contents(folder: Path) -> str:
    where = "this folder" if str(folder) == "." else str(folder)
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = _names(folder)
    if not names:
        return f"{where} is empty"
    return f"{where} has {shortened(names, _NAMES)}"
