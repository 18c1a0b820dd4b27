"""`bertkit compare`: groups scored runs by encoder and task, over their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.errors import DataError
from bertkit.tasks.comparison.encoders import Encoder, encoders_of
from bertkit.tasks.comparison.find import scored_runs
from bertkit.tasks.comparison.names import eval_names, row_name, run_places
from bertkit.tasks.comparison.over_seeds import summary
from bertkit.tasks.comparison.results import Column, Comparison, Row
from bertkit.tasks.comparison.scored_run import ScoredRun
from bertkit.tasks.comparison.units import is_share

_Key = tuple[Any, ...]
_Scored = Sequence[tuple[ScoredRun, str]]  # runs and names of scores


def compare(places: Sequence[str], metrics: Sequence[str] = ()) -> Comparison:
    """Compare the scored runs in some folders.

    Args:
        places: folders of runs, or folders that hold such.
        metrics: scores to compare; by default the one that each task is judged by.

    Raises:
        DataError: a folder is not there, or nothing in them was scored.
    """
    runs, left_out = scored_runs(places)
    return compare_runs(runs, metrics, left_out)


def compare_runs(
    runs: Sequence[ScoredRun],
    metrics: Sequence[str] = (),
    left_out: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Compare scored runs.

    Args:
        runs: of any tasks.
        metrics: as for `compare`.
        left_out: (folder, reason) of runs without scores, to be told.

    Raises:
        DataError: nothing to compare.
    """
    left_out = list(left_out)
    wanted = {run.folder: list(dict.fromkeys(metrics)) or [run.metric] for run in runs}
    scored = [(run, name) for run in runs for name in wanted[run.folder] if name in run.scores]
    for run in runs:
        if not any(name in run.scores for name in wanted[run.folder]):
            has = ", ".join(run.scores) or "no number"
            left_out.append((run.folder, f"has no {' or '.join(wanted[run.folder])}, but {has}"))
    if not scored:
        found = "; ".join(f"{run}: {reason}" for run, reason in left_out[:3])
        raise DataError(f"nothing to compare: {found}", "give folders of runs that were scored")
    return _comparison(scored, left_out)


def _comparison(scored: _Scored, left_out: list[tuple[str, str]]) -> Comparison:
    runs = list({run.folder: run for run, _ in scored}.values())
    encoders, notes = encoders_of(runs)
    columns = _columns(scored)
    variants = _variants(runs, encoders)
    cells: dict[_Key, dict[_Key, list[ScoredRun]]] = {}
    for run, metric in scored:
        row = (encoders[run.folder], variants[run.folder])
        same = cells.setdefault(row, {}).setdefault(_column(run, metric), [])
        twin = next((other for other in same if _same_seed(other, run)), None)
        if twin is None:
            same.append(run)
        else:
            notes.append(f"{run.folder} has seed {run.seed}, as {twin.folder}: counted once")
    places = run_places([run.folder for run in runs])
    rows = [
        Row(
            name=row_name(encoder.name, variant, _places(found, places))
            if variant
            else encoder.name,
            encoder=encoder.path,
            encoder_digest=encoder.digest,
            settings=dict(variant),
            cells=[
                summary([(r, r.scores[column.metric]) for r in found[key]], column.metric)
                if key in found
                else None
                for key, column in columns.items()
            ],
        )
        for (encoder, variant), found in cells.items()
    ]
    notes += _kept_apart(list(columns.values()), rows)
    return Comparison(list(columns.values()), rows, list(dict.fromkeys(notes)), left_out)


def _places(found: Mapping[_Key, Sequence[ScoredRun]], places: Mapping[str, str]) -> list[str]:
    return [places[run.folder] for same in found.values() for run in same]


def _same_seed(one: ScoredRun, other: ScoredRun) -> bool:
    return one.seed is not None and one.seed == other.seed


def _column(run: ScoredRun, metric: str) -> _Key:
    """What scores must have in common to stand below each other."""
    return run.task, run.eval_sha256 or run.eval_file, run.examples, metric


def _columns(scored: _Scored) -> dict[_Key, Column]:
    first: dict[_Key, tuple[ScoredRun, str]] = {}
    for run, metric in scored:
        first.setdefault(_column(run, metric), (run, metric))
    names = eval_names([run for run, _ in first.values()])
    return {
        key: Column(
            name=name,
            task=run.task,
            metric=metric,
            percent=is_share(metric),
            eval_file=run.eval_file,
            eval_sha256=run.eval_sha256,
            examples=run.examples,
        )
        for (key, (run, metric)), name in zip(first.items(), names, strict=True)
    }


def _variants(runs: Sequence[ScoredRun], encoders: Mapping[str, Encoder]) -> dict[str, _Key]:
    """Folder → settings in which the runs of one encoder and task differ; seeds aside."""
    families: dict[_Key, list[ScoredRun]] = {}
    for run in runs:
        families.setdefault((encoders[run.folder], run.task, bool(run.settings)), []).append(run)
    found: dict[str, _Key] = {}
    for (encoder, task, known), same in families.items():
        every = [{**run.settings, "training data": run.train_digest[:7] or "-"} for run in same]
        keys = [key for key in every[0] if len({str(one.get(key)) for one in every}) > 1]
        others = (encoder, task, True) in families
        for run, settings in zip(same, every, strict=True):
            found[run.folder] = tuple((key, _listed(settings[key])) for key in keys)
            if not known and others:
                found[run.folder] = (("settings", "not recorded"),)
    return found


def _listed(value: Any) -> Any:
    """A value of a setting as part of a key: a list as text."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _kept_apart(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Columns that could be taken for one, and why they are not."""
    notes = []
    for number, one in enumerate(columns):
        for other_number, other in enumerate(columns[:number]):
            shared = any(row.cells[number] and row.cells[other_number] for row in rows)
            if one.task == other.task and (reason := _difference(other, one, shared)):
                notes.append(f"{reason}: kept apart")
    return notes


def _difference(one: Column, other: Column, shared: bool) -> str:
    """Why scores of two columns of one task cannot be compared; empty if nobody would.

    Args:
        one: of them.
        other: of them.
        shared: whether one encoder has scores in both.
    """
    if one.eval_file == other.eval_file and one.eval_sha256 != other.eval_sha256:
        return f"{one.eval_file} was not the same file for all runs"
    same_file = one.eval_file == other.eval_file or bool(one.eval_sha256 == other.eval_sha256 != "")
    if same_file and one.examples != other.examples:
        return f"of {one.eval_file} {one.examples} and {other.examples} examples were scored"
    if shared:
        return ""
    if same_file:
        return f"{one.name} was scored by {one.metric} and by {other.metric}"
    return f"{one.eval_file} and {other.eval_file} are different evaluation files"
