"""Shows the runs of `--seeds`: as text, as plain values, and as a section of the report's page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.report.measures import text_of
from bertkit.report.page.html_parts import html_table
from bertkit.report.run_numbers import read_run
from bertkit.report.views.run import planned_steps
from bertkit.tasks.comparison.results import Comparison
from bertkit.tasks.comparison.seed_runs import begun_runs, over_seeds, seeds_within
from bertkit.tasks.comparison.seeds_file import seed_folder
from bertkit.tasks.comparison.tables import as_seeds, as_text, notes_of_seeds, seeds_table


def view_seeds(folder: str) -> tuple[dict[str, Any], str]:
    """Where the run of each seed stands, with the scores of all and what they come to.

    Args:
        folder: that `--seeds` wrote.

    Raises:
        DataError, ConfigError: a file of a run is damaged.
    """
    begun = {Path(run).name: run for run in begun_runs(folder)}
    runs, rows = [], []
    for name in map(seed_folder, seeds_within(folder)):
        if name not in begun:
            rows.append((name, "no numbers yet", "-", "-"))
            continue
        run, steps = read_run(begun[name]), planned_steps(begun[name])
        runs.append({"run": name, "step": run.step, **run.last})
        step = f"{run.step:,}" + (f" of {steps:,}" if steps else "")
        loss = run.last.get("train", {}).get("loss")
        rows.append((name, step, log.duration(run.seconds), text_of("loss", loss)))
    scores = over_seeds(folder)
    table = log.table(("run", "step", "training time", "loss"), rows, title=folder)
    facts = {"folder": folder, "runs": runs, "scores": scores.as_dict() if scores else None}
    return facts, f"{table}\n\n{seeds_text(scores)}"


def seeds_text(scores: Comparison | None) -> str:
    """What `--seeds` ends with; the tables of `compare` where runs differ in more than seeds."""
    if scores is None:
        return "no seed is scored yet"
    return as_seeds(scores) if len(scores.rows) == 1 else as_text(scores)


def seeds_section(folder: str, scores: Comparison | None) -> str:
    """A heading, and each seed's scores with what they come to.

    Args:
        folder: name of what `--seeds` wrote.
        scores: of its runs; None while none is scored.
    """
    parts = [f"<h2>Seeds of {html.escape(folder)}</h2>"]
    if scores is None:
        return f"{parts[0]}\n<p>No seed is scored yet.</p>"
    if len(scores.rows) > 1:
        return f"{parts[0]}\n<pre>{html.escape(as_text(scores))}</pre>"
    parts.append(html_table(*seeds_table(scores)))
    parts += [f"<p>{html.escape(note)}</p>" for note in notes_of_seeds(scores)]
    return "\n".join(parts)
