"""Looks at the checkpoints that a run keeps: which steps, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.resume import problem_of


def kept_checkpoints(run: str | Path) -> list[dict[str, Any]]:
    """`step` and `damage` of each checkpoint of a run, by step; warns of those with damage.

    Args:
        run: its folder.

    Returns:
        `damage` is empty where nothing is wrong. Sizes are compared, checksums are not: a look
        at a run does not read gigabytes.
    """
    found = []
    for step, path in checkpoint.in_run(run, complete=False):
        try:
            damage = problem_of(path, read=False)
        except FileNotFoundError:  # the run, which goes on, has just removed it
            continue
        if damage:
            log.warn_once(f"the checkpoint {path} is damaged: {damage}; a resumed run passes it by")
        found.append({"step": step, "damage": damage})
    return found


def kept_text(kept: list[dict[str, Any]]) -> str:
    """The steps in words, for a table: `2 of 3 good, the last of step 400`."""
    good = [item["step"] for item in kept if not item["damage"]]
    count = f"{len(kept)}" if len(good) == len(kept) else f"{len(good)} of {len(kept)} good"
    return f"{count}, the last of step {good[-1]:,}" if good else count
