"""Finds the runs in a folder that `--seeds` wrote, and what they come to. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from bertkit.errors import BertkitError
from bertkit.storage.files import read_json
from bertkit.tasks.comparison.compare import compare_runs
from bertkit.tasks.comparison.results import Comparison
from bertkit.tasks.comparison.scored_run import (
    SCORES,
    NotScoredError,
    ScoredRun,
    read_scored,
)
from bertkit.tasks.comparison.seeds_file import LARGEST_SEED, SEEDS, seed_folder
from bertkit.train.run_files import CONFIG, METRICS

_FOLDER = re.compile(r"seed-(\d+)")


def seeds_within(folder: str | Path) -> list[int]:
    """The seeds whose runs a folder holds or is to hold; none where `--seeds` did not write it.

    Several calls may share a folder, and `seeds.json` has the seeds of the last alone.
    """
    place = Path(folder)
    if not place.is_dir() or (place / METRICS).is_file() or (place / CONFIG).is_file():
        return []
    found: list[int] = []
    with contextlib.suppress(BertkitError, KeyError, TypeError, ValueError, OverflowError):
        if (place / SEEDS).is_file():
            noted = [int(seed) for seed in read_json(place / SEEDS)["seeds"]]
            found = [seed for seed in noted if abs(seed) < LARGEST_SEED]
    for path in place.glob("seed-*"):
        match = _FOLDER.fullmatch(path.name)
        if match and ((path / METRICS).is_file() or (path / SCORES).is_file()):
            found.append(int(match[1]))
    return sorted(set(found))


def begun_runs(folder: str | Path) -> list[str]:
    """Folders of the runs of `seeds_within` that have numbers."""
    runs = [Path(folder) / seed_folder(seed) for seed in seeds_within(folder)]
    return [
        str(run) for run in runs if (run / METRICS).is_file() and os.path.getsize(run / METRICS)
    ]


def over_seeds(folder: str | Path) -> Comparison | None:
    """The scores of a folder's seeds and what they come to; None while none is scored.

    Seeds without scores are `left_out`, each with the reason.
    """
    runs: list[ScoredRun] = []
    left_out: list[tuple[str, str]] = []
    for seed in seeds_within(folder):
        place = Path(folder) / seed_folder(seed)
        if not place.is_dir():
            left_out.append((str(place), "not begun: run the command again"))
            continue
        try:
            runs += read_scored(place)
        except NotScoredError as error:
            left_out.append((str(place), error.message))
    return compare_seeds(runs, left_out) if runs else None


def compare_seeds(
    runs: list[ScoredRun], left_out: list[tuple[str, str]] | None = None
) -> Comparison:
    """All scores of the runs of one command with `--seeds`."""
    names = [name for name in runs[0].scores if name != "total"]
    return compare_runs(runs, names, left_out or ())
