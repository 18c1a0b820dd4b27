"""Every event in the file system of every stage is a point where it is killed, or fails."""

from __future__ import annotations

from pathlib import Path

from soak.campaign import Campaign, Outcome
from soak.children import Result, run_words
from soak.hooks import FAULTS, Events
from soak.stages import Stage
from soak.trees import differences, half_written, remove, tree

# Points of a stage, for kills and for each of the other faults; of trainings a third.
MOST_KILLS, MOST = 200, 50
# What cannot be removed is left behind; `again` sees it removed by the next start.
_REMOVALS = ("os.remove", "os.rmdir")
# A lock whose removal failed holds nobody off: `again` sees it taken and removed. A cache whose
# lock cannot be made is filled without one.
_NO_LOSS = ("/.bertkit.lock", "out.cache/lock")
# Exit statuses that a fault may end with; 0 where the event did not matter.
_STATUSES = {
    "kill": {-9},
    "ENOSPC": {0, 1},
    "EIO": {0, 1, 3},
    "memory": {0, 1},
    "interrupt": {0, 130},
    "terminate": {0, 75, 143},
}


def run(campaign: Campaign, names: str = "", faults: tuple[str, ...] = FAULTS) -> None:
    """All stages, all faults."""
    for stage in campaign.stages(names):
        if stage.workers > 1:  # whose workers are not watched
            continue
        for fault in faults:
            name = f"{stage.name}, {fault}"
            campaign.group("points", name, lambda s=stage, f=fault: _stage(campaign, s, f))


def _stage(campaign: Campaign, stage: Stage, fault: str) -> Outcome:
    wanted, _ = campaign.reference(stage)
    names = events_of(campaign, stage)
    total = len(names)
    outcome = Outcome()
    outcome.counts["events"] = total
    most = (MOST_KILLS if fault == "kill" else MOST) // (3 if stage.torch else 1)
    points = campaign.some(list(range(1, total + 1)), min(total, most), f"{stage.name} {fault}")
    for at in points:
        problems = []
        place = campaign.place("case")
        events: list[Events] = []

        def arm(place: Path = place, at: int = at, events: list[Events] = events) -> None:
            watched = Events(str(place), at, fault)
            watched.install()
            events.append(watched)

        log = campaign.scratch / "log"
        result = run_words(stage.command(place / "out"), campaign.fixtures, log, arm)
        problems += _judged(result, fault)
        found = tree(place)
        problems += [f"not whole: {name}" for name in half_written(wanted, found)]
        if fault != "kill" and not names[at - 1].startswith(_REMOVALS):
            problems += [f"left behind: {name}" for name in found if ".partial-" in name]
        wrong = [text for text in differences(wanted, found) if not text.endswith(_NO_LOSS)]
        if result.status == 0 and fault != "kill" and wrong:
            problems.append(f"status 0, but {wrong[:3]}")
        stopped = fault == "terminate"
        problems += again(campaign, stage, place, wanted, stopped=stopped)
        where = f"{stage.name}, {fault} at event {at} of {total}"
        outcome.note([f"{where}: {text}" for text in problems], f"status {result.status}")
        remove(place)
    return outcome


def events_of(campaign: Campaign, stage: Stage) -> list[str]:
    """The names of all events of an undisturbed run."""
    place = campaign.place("events")
    record = campaign.scratch / "events.txt"
    log = campaign.scratch / "log"

    def arm() -> None:
        import atexit
        import os

        events = Events(str(place), record=str(record))
        events.install()
        # `os._exit` runs no such functions, so the record is written as the command ends.
        leave = os._exit

        def leaving(status: int) -> None:
            events.write_record()
            leave(status)

        os._exit = leaving  # type: ignore[assignment]
        atexit.register(events.write_record)

    result = run_words(stage.command(place / "out"), campaign.fixtures, log, arm)
    if result.status:
        raise RuntimeError(f"{stage.name} ended with {result.status}: {result.text[-1000:]}")
    return record.read_text("utf-8").split("\n")


def again(
    campaign: Campaign,
    stage: Stage,
    place: Path,
    wanted: dict[str, str],
    stopped: bool = False,
) -> list[str]:
    """What is wrong after the same command, which now nothing disturbs.

    Args:
        stopped: a training may have saved where it was stopped, so that other checkpoints are
            left beside the last one.
    """
    log = campaign.scratch / "log"
    result = run_words(stage.command(place / "out"), campaign.fixtures, log)
    if result.fault:
        return [f"again: {result.fault}"]
    if result.status:
        return [f"again: status {result.status}: {result.text.strip()[-200:]!r}"]
    found = tree(place)
    if stopped:
        wanted, found = _with_last_checkpoint(wanted), _with_last_checkpoint(found)
    wrong = differences(wanted, found)
    return [f"again: differs: {wrong[:4]}"] if wrong else []


def _with_last_checkpoint(files: dict[str, str]) -> dict[str, str]:
    steps = sorted({name.split("/")[1] for name in files if name.startswith("out/step-")})
    old = tuple(f"out/{step}/" for step in steps[:-1])
    return {name: digest for name, digest in files.items() if not name.startswith(old)}


def _judged(result: Result, fault: str) -> list[str]:
    if result.fault:
        return [result.fault]
    if result.status not in _STATUSES[fault]:
        return [f"status {result.status}: {result.text.strip()[-200:]!r}"]
    if result.status in (1, 3, 75, 143) and not result.one_error:
        return [f"not one error: {result.text.strip()[-200:]!r}"]
    return []
