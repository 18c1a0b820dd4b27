"""Finds the checkpoint that a run resumes from, and sets aside what it leaves behind.

Nothing is moved while it is looked for. Once all checks have passed, the main process makes way:

    damaged/     newer checkpoints whose files are not those that were written
    abandoned/   the later checkpoints and the metrics of a run that `--resume` rolls back
    replaced/    what `--overwrite` replaces; removed when the new run's first checkpoint is
                 on the disk, put back by a call without `--overwrite` before that
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import BertkitError, ConfigError, DataError
from bertkit.model.checkpoints.checksums import FILES
from bertkit.model.checkpoints.finite import named, not_finite
from bertkit.model.checkpoints.hf import load_weights
from bertkit.model.checkpoints.run_state import STATE, WEIGHTS, find_damage, read_state
from bertkit.storage.files import sync_path
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import RunState, load_state
from bertkit.train.run_files import ABANDONED, CONFIG, DAMAGED, MACHINE, METRICS, REPLACED

AUTO, NEVER = "auto", "never"
_MOVING = f"{REPLACED}.moving"


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """Where a run goes on, and what must make way for it.

    Attributes:
        checkpoint: to resume from; None for a fresh start.
        named: what `--resume` named, as `RunState.resumed_from` keeps it; None where the
            checkpoint itself says it.
        elsewhere: the checkpoint is another run's, from which this one branches off.
        damaged: newer checkpoints that are passed over.
        abandoned: later checkpoints of the branch that is given up.
        replaces: an earlier run makes way for this one.
    """

    checkpoint: Path | None = None
    named: dict[str, str | int] | None = None
    elsewhere: bool = False
    damaged: Sequence[Path] = ()
    abandoned: Sequence[Path] = ()
    replaces: bool = False


def settings_before(run: str | Path, resume: str, overwrite: bool) -> dict[str, Any] | None:
    """The settings of the checkpoint that a call would resume from; None: it begins anew.

    For what the machine chooses, and is not to choose anew; `find_resume_point` decides. What is
    wrong with a checkpoint is said there.

    Args:
        run: the run's folder.
        resume: `auto`, `never`, or the folder of a checkpoint.
        overwrite: replace an earlier run.
    """
    if resume == NEVER:
        return None
    newest = [path for _, path in reversed(checkpoint.in_run(run))]
    for path in newest if resume == AUTO else [Path(resume)]:
        try:
            state = load_state(path)
        except (BertkitError, OSError):
            continue
        if overwrite and resume == AUTO and (state.finished or not state.overwrote):
            return None  # it is replaced
        return state.config
    return None


def find_resume_point(
    run: str | Path, resume: str, *, overwrite: bool, same_run: Callable[[RunState], bool]
) -> ResumePoint:
    """Look for the checkpoint from which a run in this folder resumes; changes nothing.

    Args:
        run: the run's folder.
        resume: `auto`, `never`, or the folder of a checkpoint, which need not be this run's.
        overwrite: replace an earlier run. A run that itself began so and is not finished is
            resumed: "the same command again" must not undo its own work.
        same_run: whether the checkpoint of this state has the settings and data of now.

    Raises:
        DataError: `never`, but the folder holds a run; no intact checkpoint; or the one
            that is named is damaged or of another run than the folder's.
        ConfigError: `overwrite` together with a checkpoint of the run itself.
    """
    place = Path(run)
    found = checkpoint.in_run(place, complete=False)
    if resume not in (AUTO, NEVER):
        return _named(place, Path(resume), overwrite)
    if overwrite:
        # A damaged run is replaced without a look at what is wrong with it.
        last = checkpoint.latest(place)
        goes_on = resume == AUTO and last and not find_damage(last) and _began_so(last, same_run)
        if not goes_on:
            return ResumePoint(replaces=True)
        log.logger.info(
            "%s itself began with --overwrite: it is resumed; give --resume never as well to"
            " start again",
            place,
        )
    elif found and resume == NEVER:
        raise DataError(
            f"{place} holds a run already (its last checkpoint is {found[-1][1].name})",
            "give --resume auto to continue it, --overwrite to start again, or another --output",
        )
    return _newest(place, [path for _, path in found])


def _began_so(last: Path, same_run: Callable[[RunState], bool]) -> bool:
    state = load_state(last)
    return state.overwrote and not state.finished and same_run(state)


def _newest(run: Path, found: Sequence[Path]) -> ResumePoint:
    """The newest intact checkpoint; says what is wrong with newer ones."""
    damaged: dict[Path, str] = {}
    for path in reversed(found):
        problem = problem_of(path)
        if not problem:
            for broken, why in damaged.items():
                log.logger.warning("the checkpoint %s is damaged: %s", broken, why)
            if damaged:
                log.logger.warning(
                    "resuming from %s instead (%d of %d checkpoints are damaged)",
                    path,
                    len(damaged),
                    len(found),
                )
            return ResumePoint(checkpoint=path, damaged=tuple(damaged))
        damaged[path] = problem
    if damaged:
        texts = "; ".join(f"{path.name}: {why}" for path, why in damaged.items())
        raise DataError(
            f"no checkpoint of {run} is intact: {texts}",
            "give --overwrite to start again, or another --output",
        )
    return ResumePoint()


def _named(run: Path, wanted: Path, overwrite: bool) -> ResumePoint:
    """What `--resume wanted` means: begin a branch there, or go on with the one begun."""
    inside = wanted.resolve().parent == run.resolve()
    if inside and overwrite:
        raise ConfigError(
            f"--resume {wanted} continues the run that --overwrite replaces", "give one of them"
        )
    if overwrite:
        whole = _whole(run, wanted)
        return ResumePoint(checkpoint=whole, named=_name(whole), elsewhere=True, replaces=True)
    found = checkpoint.in_run(run)
    branch = [path for _, path in found if _descends(path, wanted, inside)]
    if branch:
        begin = [wanted] if inside and wanted.is_dir() else []
        point = _newest(run, [*begin, *branch])
        log.logger.info(
            "going on with the branch that began at %s; to begin it again, remove its later"
            " checkpoints",
            wanted,
        )
        return replace(point, named=_name(wanted)) if point.checkpoint == wanted else point
    whole = _whole(run, wanted)
    if not inside and found:
        raise DataError(
            f"{run} holds a run already (its last checkpoint is {found[-1][1].name}) that did not"
            f" begin at {wanted}",
            "give --overwrite to replace it, or another --output",
        )
    step = load_state(whole).step
    later = tuple(path for number, path in found if number > step)
    return ResumePoint(checkpoint=whole, named=_name(whole), elsewhere=not inside, abandoned=later)


def _whole(run: Path, wanted: Path) -> Path:
    if not wanted.is_dir():
        names = ", ".join(path.name for _, path in checkpoint.in_run(run)) or "none"
        raise DataError(f"no checkpoint {wanted}; {run} has: {names}")
    load_state(wanted)
    problem = problem_of(wanted)
    if problem:
        raise DataError(f"the checkpoint {wanted} is damaged: {problem}", "name another one")
    return wanted


def problem_of(path: Path, read: bool = True) -> str:
    """What is wrong with a checkpoint of a run; empty where nothing is.

    Args:
        path: its folder.
        read: compare checksums too, for which files are read as a whole, not only sizes.
    """
    if not (path / STATE).is_file():
        return f"{STATE} is missing"
    if not (path / WEIGHTS).is_file():
        return f"{WEIGHTS} is missing"
    damage = find_damage(path, read=read)
    if damage:
        return damage
    try:
        load_state(path)
    except DataError as error:
        return error.message
    return _not_finite(path) if read else ""


def _not_finite(path: Path) -> str:
    """bertkit 0.1.0 could save a model that had diverged; its checkpoints have no checksums."""
    if FILES in read_state(path):
        return ""
    weights = load_weights(path)
    found = not_finite(weights)
    return named(found, len(weights)) if found else ""


def _name(wanted: Path) -> dict[str, str | int]:
    return {
        "step": load_state(wanted).step,
        "checkpoint": wanted.name,
        "folder": str(wanted.resolve().parent),
    }


def _descends(path: Path, wanted: Path, inside: bool) -> bool:
    """Whether a checkpoint belongs to the branch that began at `wanted`."""
    try:
        begun = load_state(path).resumed_from
    except DataError:
        return False
    if not begun or begun.get("checkpoint") != wanted.name:
        return False
    # The folder of a run may have been moved, and its checkpoints with it.
    return inside or begun.get("folder") == str(wanted.resolve().parent)


def recover(run: str | Path, overwrite: bool) -> None:
    """Mend what a killed process left of `make_way`; for whoever holds the folder's lock.

    Args:
        run: the run's folder.
        overwrite: the run of now replaces what was set aside; otherwise that one comes back
            where no checkpoint took its place.
    """
    place = Path(run)
    _move(place / _MOVING, place)  # killed while it was being set aside
    if not (place / REPLACED).is_dir():
        return
    if checkpoint.in_run(place):
        discard_replaced(place)
    elif not overwrite:
        log.logger.warning(
            "the run that was to replace the one in %s left no checkpoint: the earlier run is"
            " put back",
            place,
        )
        _move(place / REPLACED, place)


def make_way(run: str | Path, point: ResumePoint, outputs: Sequence[str] = ()) -> None:
    """Set aside what the run that begins or resumes now leaves behind.

    Args:
        run: the run's folder.
        point: of `find_resume_point`, all checks passed.
        outputs: names of further files that the task writes there.
    """
    place = Path(run)
    if point.damaged:
        _set_aside(place, point.damaged, DAMAGED)
    if point.abandoned:
        there = _set_aside(place, point.abandoned, ABANDONED)
        if (place / METRICS).is_file():
            shutil.copy2(place / METRICS, there / METRICS)
        log.logger.info("the later checkpoints of %s are now in %s", place, there)
    # Where there is one already, what lies outside has no checkpoint: it is written anew.
    if point.replaces and not (place / REPLACED).exists():
        old = [path for _, path in checkpoint.in_run(place)]
        old += [*place.glob(f"{DAMAGED}*"), *place.glob(f"{ABANDONED}*")]
        names = (METRICS, CONFIG, MACHINE, *outputs)
        old += [place / name for name in names if (place / name).exists()]
        if old:
            (place / _MOVING).mkdir()
            for path in old:
                path.rename(place / _MOVING / path.name)
            (place / _MOVING).rename(place / REPLACED)
            sync_path(place)
            log.logger.info("the earlier run is kept in %s until the first save", place / REPLACED)


def discard_replaced(run: str | Path) -> None:
    """Remove the run that `--overwrite` replaced: a checkpoint of the new one is on the disk."""
    old = Path(run) / REPLACED
    if old.is_dir():
        shutil.rmtree(old)


def _set_aside(run: Path, paths: Sequence[Path], name: str) -> Path:
    there = run / name
    number = 1
    while there.exists():
        number += 1
        there = run / f"{name}-{number}"
    there.mkdir()
    # The newest first: if this is cut short, what is left is still one line of steps.
    for path in sorted(paths, reverse=True):
        path.rename(there / path.name)
    sync_path(run)
    return there


def _move(source: Path, target: Path) -> None:
    """Move all that a folder holds into another one, over what has the same names there."""
    if not source.is_dir():
        return
    for path in sorted(source.iterdir()):
        there = target / path.name
        if there.is_dir():
            shutil.rmtree(there)
        os.replace(path, there)
    source.rmdir()
