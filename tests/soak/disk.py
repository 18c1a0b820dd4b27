"""Really full disks: a small tmpfs where one may be mounted, else a limit on the size of files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from soak.campaign import Campaign, Outcome
from soak.children import run_words
from soak.stages import Stage
from soak.trees import differences, half_written, remove, tree

SIZES = (0, 4, 16, 64, 256, 1024, 4096)  # kB
_LARGE = 256 << 20


def run(campaign: Campaign, names: str = "") -> None:
    """All stages, on disks of several sizes."""
    for stage in campaign.stages(names):
        campaign.group("disk", stage.name, lambda s=stage: _stage(campaign, s))


def _stage(campaign: Campaign, stage: Stage) -> Outcome:
    wanted, _ = campaign.reference(stage)
    outcome = Outcome()
    log = campaign.scratch / "log"
    for size in campaign.some(list(SIZES), len(SIZES), f"disk {stage.name}"):
        place = campaign.place("disk")
        mounted = mount(place, size)
        outcome.count("tmpfs" if mounted else "limits")

        def limit(size: int = size) -> None:
            import resource  # which only Unix has

            resource.setrlimit(resource.RLIMIT_FSIZE, (max(1, size) << 10, resource.RLIM_INFINITY))

        try:
            words = stage.command(place / "out")
            result = run_words(words, campaign.fixtures, log, None if mounted else limit)
            problems = [result.fault] if result.fault else []
            if result.status not in (0, 1) or (result.status == 1 and not result.one_error):
                problems.append(f"status {result.status}: {result.text.strip()[-300:]!r}")
            elif result.status == 1 and not any(
                text in result.text for text in ("full", "larger than this process")
            ):
                problems.append(f"does not say why: {result.text.strip()[-300:]!r}")
            found = tree(place)
            problems += [f"not whole: {name}" for name in half_written(wanted, found)]
            problems += [f"left behind: {name}" for name in found if ".partial-" in name]
            if mounted:  # room is made
                subprocess.run(["mount", "-o", f"remount,size={_LARGE}", place], check=True)
            result = run_words(words, campaign.fixtures, log)
            if result.status or (wrong := differences(wanted, tree(place))):
                problems.append(
                    f"again: {result.text.strip()[-200:] if result.status else wrong[:3]}"
                )
            outcome.note([f"{stage.name}, {size} kB: {text}" for text in problems])
        finally:
            if mounted:
                subprocess.run(["umount", place], check=True)
            remove(place)
    return outcome


def mount(place: Path, kilobytes: int) -> bool:
    """Mount a tmpfs of this size; False where that is not allowed."""
    size = f"size={max(4, kilobytes)}k"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
