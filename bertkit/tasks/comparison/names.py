"""Short names of checkpoints and evaluation files, for the heads of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from bertkit.tasks.comparison.scored_run import ScoredRun

# Names of files that say which part of a data set they are, not which data set.
_PARTS = {"dev", "valid", "validation", "val", "test", "eval", "train"}


def short_names(paths: Sequence[str]) -> list[str]:
    """The last parts of each path, as many as tell it from the others."""
    whole = [PurePath(path).parts or ("?",) for path in paths]
    names = []
    for path, parts in zip(paths, whole, strict=True):
        others = [other for place, other in zip(paths, whole, strict=True) if place != path]
        count = next(
            (n for n in range(1, len(parts)) if all(o[-n:] != parts[-n:] for o in others)),
            len(parts),
        )
        names.append(str(PurePath(*parts[-count:])))
    return names


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
