"""Tells what a fine-tuned model's scores belong to, from the checkpoint that was scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertkit.files import is_remote, sha256_of, write_text
from bertkit.model.checkpoints.run_state import STATE, read_state
from bertkit.strict_json import json_text
from bertkit.tasks.comparison.scored_run import SCORED


def scored_facts(checkpoint: str | Path | None, eval_file: str) -> dict[str, Any]:
    """What `bertkit compare` must know of scores, beside task and metric.

    Args:
        checkpoint: folder of the model that was scored; None where only answers were.
        eval_file: what was scored on.

    Returns:
        `eval_file`, `eval_sha256`; and, where the checkpoint is a run's, `encoder`,
        `encoder_digest` (its weights), `train_digest` (the training data), `seed`, `step`.
    """
    local = not is_remote(eval_file) and Path(eval_file).is_file()
    facts: dict[str, Any] = {"eval_file": eval_file}
    facts["eval_sha256"] = sha256_of(eval_file) if local else ""
    if checkpoint is None or not (Path(checkpoint) / STATE).is_file():
        return facts
    state = read_state(Path(checkpoint))
    start = state.get("start") or {}
    return facts | {
        "encoder": start.get("path") or state["config"].get("init_checkpoint") or "",
        "encoder_digest": start.get("digest") or "",
        "train_digest": state["data_fingerprint"],
        "seed": state["seed"],
        "step": state["step"],
    }


def write_scored(
    folder: str | Path, checkpoint: str | Path | None, eval_file: str, **facts: Any
) -> None:
    """Write `scored.json` beside scores whose own file has another program's form.

    Args:
        folder: with the scores.
        checkpoint: see `scored_facts`.
        eval_file: see `scored_facts`.
        facts: `task`, `metric` and `examples`.
    """
    values = facts | scored_facts(checkpoint, eval_file)
    write_text(Path(folder) / SCORED, json_text(values, indent=1) + "\n")
