"""Makes the whole report of some runs: curves, and what their predictions got wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit.report.curves import draw_report
from bertkit.report.kept_checkpoints import kept_checkpoints
from bertkit.report.page.squad_review import review_section
from bertkit.report.page.task_review import task_section
from bertkit.report.views.seeds import seeds_section, seeds_text
from bertkit.tasks.comparison.seed_runs import begun_runs, over_seeds
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
        seeds: folder that `--seeds` wrote → the scores of its runs and what they come to; None
            while none is scored.
    """

    output: str
    runs: list[dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    shown: str = ""
    seeds: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "output": self.output,
            "runs": self.runs,
            "answers": self.answers,
            "seeds": self.seeds,
        }


def report_runs(runs: Sequence[str], output: str = "", over: str = "step") -> RunsReport:
    """Draw what runs measured, with what their predictions got wrong.

    Args:
        runs: folders of runs, and of `--seeds` for the runs in them; those that only answered
            need no curves.
        output: HTML page, PNG, SVG or PDF to write; empty: `report.html` in the first folder.
        over: what a picture is drawn over, of `run_numbers.AXES`; where a page begins.

    Raises:
        DataError, MissingDependencyError: as `draw_report`; or a damaged review.
    """
    found: dict[str, dict[str, Any]] = {}
    seeds: dict[str, dict[str, Any] | None] = {}
    texts, sections, every = [], [], []
    for given in runs:
        inner = begun_runs(given)
        if inner:
            scores = over_seeds(given)
            seeds[given] = scores.as_dict() if scores else None
            texts.append(f"{given}\n\n{seeds_text(scores)}")
            sections.append(seeds_section(given, scores))
        for run in inner or [given]:
            every.append(run)
            if not Path(run, predictions.NAME).is_file():
                continue
            text, section, found[run] = _review(run)
            texts += [] if inner else [f"{run}\n\n{text}"]  # of many runs it stands on the page
            sections.append(section)
    trained = [run for run in every if run not in found or Path(run, METRICS).is_file()]
    for run in trained:
        kept_checkpoints(run)  # which says what is wrong with them
    drawn = draw_report(trained, output or str(Path(runs[0]) / PAGE), sections, over)
    shown = "\n\n".join([*texts, drawn.text()])
    return RunsReport(drawn.output, drawn.runs, found, shown, seeds)


def _review(run: str) -> tuple[str, str, dict[str, Any]]:
    """(text, section of the page, plain values) of what a run's predictions are worth."""
    of_task = predictions.read_review(run)
    if of_task is not None:
        return predictions.as_text(of_task), task_section(run, of_task), of_task
    of_squad: Mapping[str, Any] = answers.read_review(run)
    return answers.as_text(of_squad), review_section(run, of_squad), dict(of_squad)
