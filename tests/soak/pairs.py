"""The same command twice at once: one works, the other is told so, and the output is right."""

from __future__ import annotations

from soak.campaign import Campaign, Outcome
from soak.children import finish, start
from soak.crash_points import again
from soak.stages import Stage
from soak.trees import remove

TIMES = 5


def run(campaign: Campaign, names: str = "") -> None:
    """All stages."""
    for stage in campaign.stages(names):
        campaign.group("pairs", stage.name, lambda s=stage: _stage(campaign, s))


def _stage(campaign: Campaign, stage: Stage) -> Outcome:
    wanted, _ = campaign.reference(stage)
    outcome = Outcome()
    logs = [campaign.scratch / f"log{number}" for number in range(2)]
    for _ in range(max(1, round(TIMES * campaign.share))):
        place = campaign.place("pair")
        words = stage.command(place / "out")
        pids = [start(words, campaign.fixtures, log) for log in logs]
        results = [finish(pid, log) for pid, log in zip(pids, logs, strict=True)]
        problems = [result.fault for result in results if result.fault]
        statuses = sorted(result.status for result in results)
        # train-vocab, which writes a file, says that it is there; all others hold their folder.
        if 0 not in statuses or not set(statuses) <= {0, 1, 2}:
            problems.append(f"statuses {statuses}: {[r.text.strip()[-200:] for r in results]}")
        refused = [result for result in results if result.status]
        problems += [f"not one error: {r.text[-200:]!r}" for r in refused if not r.one_error]
        problems += again(campaign, stage, place, wanted)
        outcome.note([f"{stage.name}: {text}" for text in problems], f"statuses {statuses}")
        remove(place)
    return outcome
