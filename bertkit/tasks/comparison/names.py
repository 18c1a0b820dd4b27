"""Short names of checkpoints, runs and evaluation files, for the heads and rows of tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from bertkit.screen.tables import shown
from bertkit.tasks.comparison.scored_run import ScoredRun

_SEED = re.compile(r"seed-\d+")
# Folders within a run, whose names alone do not tell which run.
_WITHIN = re.compile(r"step-\d{7,}|checkpoint-\d+|best")
# Names of files that say which part of a data set they are, not which data set.
_PARTS = {"dev", "valid", "validation", "val", "test", "eval", "train"}


def short_names(paths: Sequence[str]) -> list[str]:
    """The last parts of each path: of which run, and as many as tell it from the others."""
    whole = [PurePath(path).parts or ("?",) for path in paths]
    names = []
    for path, parts in zip(paths, whole, strict=True):
        others = [other for place, other in zip(paths, whole, strict=True) if place != path]
        least = 2 if _WITHIN.fullmatch(parts[-1]) else 1
        count = next(
            (n for n in range(least, len(parts)) if all(o[-n:] != parts[-n:] for o in others)),
            len(parts),
        )
        names.append(str(PurePath(*parts[-count:])))
    return names


def row_name(encoder: str, settings: Iterable[tuple[str, Any]], folders: Iterable[str]) -> str:
    """The name of a row of an encoder that has several: what is set in it, and its runs.

    Args:
        encoder: its short name.
        settings: in which its rows differ; what is off (0, nothing) goes without saying.
        folders: of the runs of the row, by short names.
    """
    told = [f"{key} {shown(value)}" for key, value in settings if not _is_off(value)]
    places = list(dict.fromkeys(folders))
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{', '.join([encoder, *told])} ({places[0]}{more})"


def run_places(folders: Sequence[str]) -> dict[str, str]:
    """Folder of a run → what to call it; the runs of `--seeds` are called as their folder."""
    places = {
        folder: str(PurePath(folder).parent) if _SEED.fullmatch(PurePath(folder).name) else folder
        for folder in folders
    }
    distinct = list(dict.fromkeys(places.values()))
    short = dict(zip(distinct, short_names(distinct), strict=True))
    return {folder: short[place] for folder, place in places.items()}


def _is_off(value: Any) -> bool:
    return not isinstance(value, bool) and value in (0, None, "")


def eval_names(runs: Sequence[ScoredRun]) -> list[str]:
    """A name for the evaluation file of each run: different ones for different files.

    `CoLA/dev.tsv` is CoLA/dev; `data/dev-v1.1.json` is dev-v1.1.
    """
    names = [_short(run.eval_file) for run in runs]
    names = _told_apart(runs, names, [run.task for run in runs])
    names = _told_apart(runs, names, [_and_count(run) for run in runs])
    return _told_apart(runs, names, [run.eval_sha256[:7] for run in runs])


def _short(file: str) -> str:
    path = PurePath(file)
    stem = path.name.partition(".")[0] if path.stem.partition(".")[0] in _PARTS else path.stem
    return f"{path.parent.name}/{stem}".lstrip("/") if stem in _PARTS else stem or "?"


def _and_count(run: ScoredRun) -> str:
    return "" if run.examples is None else f"{run.examples} examples"


def _told_apart(runs: Sequence[ScoredRun], names: list[str], more: Sequence[str]) -> list[str]:
    """The same names, with `more` where two runs of different content would share one."""
    content = [(run.task, run.eval_sha256 or run.eval_file, run.examples) for run in runs]
    every = list(zip(names, more, content, strict=True))
    return [
        f"{name} ({extra})"
        if extra and any(name == n and extra != e and own != c for n, e, c in every)
        else name
        for name, extra, own in every
    ]
