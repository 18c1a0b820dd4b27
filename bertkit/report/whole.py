"""Makes the whole report of some runs: curves, and what their predictions got wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.report.curves import draw_report
from bertkit.report.squad_review import review_section
from bertkit.report.task_review import task_section
from bertkit.tasks.finetuning import review as predictions
from bertkit.tasks.squad import review as answers
from bertkit.train.run_files import METRICS

PAGE = "report.html"


@dataclass(frozen=True)
class RunsReport:
    """What was drawn.

    Attributes:
        output: the page or picture.
        runs: of each run its name, last step, and last numbers of training and evaluation.
        answers: folder of a run → what its predictions got right and wrong.
        shown: the same for people.
    """

    output: str
    runs: list[dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    shown: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"output": self.output, "runs": self.runs, "answers": self.answers}


def report_runs(runs: Sequence[str], output: str = "", over: str = "step") -> RunsReport:
    """Draw what runs measured, with what their predictions got wrong.

    Args:
        runs: folders; those that only answered need no curves.
        output: HTML page, PNG, SVG or PDF to write; empty: `report.html` in the first run.
        over: what a picture is drawn over, of `run_numbers.AXES`; where a page begins.

    Raises:
        DataError, MissingDependencyError: as `draw_report`; or a damaged review.
    """
    found: dict[str, dict[str, Any]] = {}
    texts, sections = [], []
    for run in runs:
        if not Path(run, predictions.NAME).is_file():
            continue
        text, section, found[run] = _review(run)
        texts.append(f"{run}\n\n{text}")
        sections.append(section)
    trained = [run for run in runs if run not in found or Path(run, METRICS).is_file()]
    drawn = draw_report(trained, output or str(Path(runs[0]) / PAGE), sections, over)
    shown = "\n\n".join([*texts, drawn.text()])
    return RunsReport(drawn.output, drawn.runs, found, shown)


def _review(run: str) -> tuple[str, str, dict[str, Any]]:
    """(text, section of the page, plain values) of what a run's predictions are worth."""
    of_task = predictions.read_review(run)
    if of_task is not None:
        return predictions.as_text(of_task), task_section(run, of_task), of_task
    of_squad: Mapping[str, Any] = answers.read_review(run)
    return answers.as_text(of_squad), review_section(run, of_squad), dict(of_squad)
