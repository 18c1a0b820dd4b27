"""Finds scored runs below the folders that are to be compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bertkit.configuration.config import load_yaml
from bertkit.errors import BertkitError, DataError
from bertkit.kinds.missing import hint_for_missing
from bertkit.storage.kernel_folders import is_made_by_kernel
from bertkit.tasks.comparison.scored_run import SCORES, NotScoredError, ScoredRun, read_scored
from bertkit.tasks.comparison.seeds_file import missing_seeds
from bertkit.train.run_files import ABANDONED, CONFIG, DAMAGED, REPLACED

# Folders that hold no run to be compared; the depth to which others are searched.
_SKIPPED = (ABANDONED, DAMAGED, REPLACED, "step-", ".")
_DEPTH = 4


def scored_runs(places: Sequence[str]) -> tuple[list[ScoredRun], list[tuple[str, str]]]:
    """The runs in some folders, and (folder, reason) of those that have no scores.

    Args:
        places: folders of runs, or folders that hold such, as `--seeds` makes them.

    Raises:
        DataError: a place is not there.
    """
    runs: dict[Path, list[ScoredRun]] = {}
    left_out: dict[str, str] = {}
    for place in places:
        if not Path(place).exists():
            raise DataError(f"no such folder: {place}", hint_for_missing(place))
        if not Path(place).is_dir():
            raise DataError(f"{place} is not a folder", "give folders of runs that were scored")
        folders = list(_folders(Path(place), _DEPTH))
        for folder in folders or [Path(place)]:
            if folder.resolve() in runs:
                continue
            try:
                runs[folder.resolve()] = read_scored(folder)
            except NotScoredError as error:
                if folder == Path(place) or _has_a_task(folder):
                    left_out[str(folder)] = error.message
        for folder in [Path(place), *{inner.parent for inner in folders}]:
            for name in missing_seeds(folder):
                left_out.setdefault(str(folder / name), "not begun: run the command again")
    return [run for same in runs.values() for run in same], list(left_out.items())


def _folders(place: Path, depth: int) -> Iterator[Path]:
    """The folder itself if it is a run's, else the runs below it, in order of their names."""
    if (place / SCORES).is_file() or (place / CONFIG).is_file():
        yield place
        return
    if depth == 0:
        return
    for inner in sorted(place.iterdir(), key=_by_number):
        if inner.name.startswith(_SKIPPED):
            continue
        with contextlib.suppress(OSError):  # others' folders may not be readable
            if inner.is_dir() and not is_made_by_kernel(inner.stat()):
                yield from _folders(inner, depth - 1)


def _by_number(path: Path) -> tuple[str, int, str]:
    """seed-2 before seed-10."""
    name, _, number = path.name.rpartition("-")
    return (name, int(number), "") if number.isdecimal() else (path.name, 0, "")


def _has_a_task(folder: Path) -> bool:
    """Whether a run would be scored at its end: nobody misses the scores of pretraining."""
    with contextlib.suppress(BertkitError, OSError):
        return "train_file" in load_yaml(folder / CONFIG)
    return True
