"""Tells what a fine-tuned model's scores belong to, from the checkpoint that was scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertkit.codecs.strict_json import json_text
from bertkit.model.checkpoints.run_state import BEST, STATE, read_state
from bertkit.storage.files import write_text
from bertkit.tables.files import local_digest
from bertkit.tasks.comparison.scored_run import SCORED
from bertkit.train.checkpoints.checkpoint import latest


def begun_from(checkpoint: str | Path | None) -> dict[str, Any]:
    """What the run of a scored checkpoint began from; empty where it is not a run's.

    Args:
        checkpoint: of a run, or its `best/`; None where only answers were scored.

    Returns:
        `encoder`, `encoder_digest` (its weights), `train_digest` (the training data), `seed`, and
        `step`, the updates done, unless it is `best/`.
    """
    place = Path(checkpoint or "")
    best = place.name == BEST
    last = latest(place.parent) if checkpoint and best else place
    if not checkpoint or last is None or not (last / STATE).is_file():
        return {}
    state = read_state(last)
    start = state.get("start") or {}
    facts = {
        "encoder": start.get("path") or state["config"].get("init_checkpoint") or "",
        "encoder_digest": start.get("digest") or "",
        "train_digest": state["data_fingerprint"],
        "seed": state["seed"],
    }
    return facts if best else {**facts, "step": state["step"]}


def write_scored(
    folder: str | Path, checkpoint: str | Path | None, eval_file: str, **facts: Any
) -> None:
    """Write `scored.json` beside scores whose own file has another program's form.

    Args:
        folder: with the scores.
        checkpoint: see `begun_from`.
        eval_file: what was scored on.
        facts: `task`, `metric` and `examples`.
    """
    file = {"eval_file": eval_file, "eval_sha256": local_digest(eval_file)}
    values = facts | file | begun_from(checkpoint)
    write_text(Path(folder) / SCORED, json_text(values, indent=1) + "\n")
