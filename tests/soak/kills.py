"""Chains of random kills or signals, then the same command to its end: the bytes are the same."""

from __future__ import annotations

import os
import signal
import time

from soak.campaign import Campaign, Outcome
from soak.children import finish, kill_group, start, workers_of
from soak.crash_points import again
from soak.stages import Stage
from soak.trees import half_written, remove, tree

CHAINS, KILLS = 5, 6
# Where one worker alone was meant, also 1: the parent says so.
_ENDED = {
    signal.SIGKILL: {0, -9},
    signal.SIGTERM: {0, 75, 143, -15},
    signal.SIGINT: {0, 130, -2},
}


def run(campaign: Campaign, names: str = "") -> None:
    """Kills of all stages."""
    for stage in campaign.stages(names):
        campaign.group("kills", stage.name, lambda s=stage: _stage(campaign, s, [signal.SIGKILL]))


def run_signals(campaign: Campaign, names: str = "") -> None:
    """SIGTERM and Ctrl-C to all stages."""
    both = [signal.SIGTERM, signal.SIGINT]
    for stage in campaign.stages(names):
        campaign.group("signals", stage.name, lambda s=stage: _stage(campaign, s, both))


def _stage(campaign: Campaign, stage: Stage, signals: list[signal.Signals]) -> Outcome:
    wanted, seconds = campaign.reference(stage)
    outcome = Outcome()
    draw = campaign.random(f"{stage.name} {signals}")
    log = campaign.scratch / "log"
    for chain in range(max(1, round(CHAINS * campaign.share))):
        place = campaign.place("chain")
        problems: list[str] = []
        told = []
        for _ in range(KILLS):
            number = draw.choice(signals)
            whom = draw.choice(["group", "parent", "worker"] if stage.workers > 1 else ["group"])
            moment = draw.uniform(0, seconds * (3 if stage.workers > 1 else 1.2))
            told.append(f"{number.name} to {whom} at {moment:.3f}")
            pid = start(stage.command(place / "out"), campaign.fixtures, log)
            if _ended_within(pid, moment):
                outcome.count("ended before")
            else:
                outcome.count(f"{number.name}s")
                _send(pid, number, whom, draw)
            result = finish(pid, log)
            outcome.count(f"status {result.status}")
            if result.fault:
                problems.append(result.fault)
            elif result.status not in _ENDED[number] | ({1} if whom == "worker" else set()):
                problems.append(f"status {result.status}: {result.text.strip()[-200:]!r}")
            found = tree(place)
            problems += [f"not whole: {name}" for name in half_written(wanted, found)]
        stopped = signal.SIGTERM in signals
        problems += again(campaign, stage, place, wanted, stopped=stopped)
        where = f"{stage.name}, chain {chain}, {'; '.join(told)}"
        outcome.note([f"{where}: {text}" for text in problems])
        remove(place)
    return outcome


def _ended_within(pid: int, seconds: float) -> bool:
    """Whether a child ends by itself in this time; it can still be waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.001)
    return False


def _send(pid: int, number: signal.Signals, whom: str, draw) -> None:
    workers = workers_of(pid)
    if whom == "worker" and workers:
        try:
            os.kill(draw.choice(workers), number)
        except ProcessLookupError:
            return
    elif whom == "group":
        kill_group(pid, number)
    else:
        os.kill(pid, number)
