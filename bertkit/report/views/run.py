"""Shows where a run stands as text: its state, and its last numbers side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.configuration.config import load_yaml
from bertkit.errors import DataError
from bertkit.model.checkpoints.run_state import BEST, read_best
from bertkit.report.kept_checkpoints import kept_checkpoints, kept_text
from bertkit.report.measures import heading_of, in_order, scores_as_text, text_of
from bertkit.report.run_numbers import read_run
from bertkit.storage.files import read_json
from bertkit.tasks.comparison.units import SQUAD
from bertkit.train import metrics
from bertkit.train.run_files import CONFIG, METRICS

SCORES = "scores.json"
_PLACES = ("position", "seconds")  # of a line; not what it measured


def view_run(folder: str) -> tuple[dict[str, Any], str]:
    """The last line of a run's metrics.jsonl with its checkpoints, and two tables for people.

    Args:
        folder: of the run; one without a line yet says so.

    Raises:
        DataError: the file is damaged.
    """
    count, last = metrics.last_line(Path(folder) / METRICS)
    if not count:
        return last, f"{folder}: a run without numbers yet; the first come with its first log line"
    kept = kept_checkpoints(folder)
    run = read_run(folder)
    steps = planned_steps(folder)
    facts = [
        ("step", f"{run.step:,}" + (f" of {steps:,}" if steps else "")),
        ("training time", log.duration(run.seconds)),
        *([("sequences", f"{run.position:,}")] if run.position else []),
        *([("real tokens", f"about {run.tokens:,.0f}")] if run.tokens else []),
        ("log lines", f"{count:,}"),
    ]
    if kept:
        facts.append(("checkpoints", kept_text(kept)))
    if best := read_best(folder):
        facts.append(("best model", f"step {best['step']:,}, by {best['metric']} ({BEST}/)"))
    kinds = [kind for kind in ("train", "eval") if kind in run.last]
    heads = {"train": "training", "eval": "evaluation"}
    names = in_order(name for kind in kinds for name in run.last[kind] if name not in _PLACES)
    rows = [
        (heading_of(name), *(text_of(name, run.last[kind].get(name), run.task) for kind in kinds))
        for name in names
    ]
    columns = [f"{heads[kind]}, step {run.last_step[kind]:,}" for kind in kinds]
    parts = [log.table(("run", folder), facts), log.table(("measured", *columns), rows)]
    scores = read_scores(folder)
    if scores:
        parts.append(log.table(("score", "value"), scores.items()))
    return {**last, "checkpoints": kept}, "\n\n".join(parts)


def read_scores(folder: str) -> dict[str, str]:
    """The scores that a fine-tuning wrote into its folder: name and unit → number as text.

    Raises:
        DataError: the file is of another form.
    """
    path = Path(folder) / SCORES
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: not scores", "score the run again")
    scores = found.get("scores", found)
    task = str(found.get("task") or "") if "scores" in found else SQUAD
    return scores_as_text(task, scores) if isinstance(scores, dict) else {}


def planned_steps(folder: str) -> int:
    """The steps that the run was asked for, where its settings say so."""
    path = Path(folder) / CONFIG
    steps = load_yaml(path).get("max_steps") if path.is_file() else None
    return steps if isinstance(steps, int) else 0
