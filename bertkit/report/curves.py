"""Makes the report of runs: a page with everything, or a picture of their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bertkit import log
from bertkit.errors import DataError
from bertkit.report.measures import text_of
from bertkit.report.page.drawing import make_figure
from bertkit.report.page.page import Page, write_page
from bertkit.report.run_numbers import AXES, RunNumbers, read_run
from bertkit.storage.files import atomic_write


@dataclass(frozen=True)
class Report:
    """What `draw_report` drew.

    Attributes:
        output: the picture or page.
        runs: per run its name, last step and last numbers of training and evaluation.
    """

    output: str
    runs: list[dict[str, Any]]

    def text(self) -> str:
        """The runs' last losses and accuracies, and where the picture is.

        A column that no run has a number for is left out.
        """
        train = [run.get("train", {}) for run in self.runs]
        evaluated = [run.get("eval", {}) for run in self.runs]
        losses = [_Found("loss" in found, found.get("loss")) for found in train]
        numbers = (
            ("loss", "loss", losses),
            ("accuracy (%)", "accuracy", list(map(_accuracy, train))),
            ("accuracy, evaluation (%)", "accuracy", list(map(_accuracy, evaluated))),
        )
        columns = {
            "run": [run["run"] for run in self.runs],
            "step": [f"{run['step']:,}" for run in self.runs],
        }
        for head, name, cells in numbers:
            if any(cell.measured for cell in cells):
                columns[head] = [text_of(name, cell.value) for cell in cells]
        rows = zip(*columns.values(), strict=True)
        return "\n\n".join([*([log.table(list(columns), rows)] if self.runs else []), self.output])


class _Found(NamedTuple):
    """A number of a run: whether it was measured, and its value where that was finite."""

    measured: bool
    value: float | None


def _accuracy(numbers: Mapping[str, Any]) -> _Found:
    """That of masked LM, else of what the run predicts."""
    found = [name for name in numbers if name.endswith("accuracy") and name != "nsp_accuracy"]
    values = (numbers[name] for name in found if numbers[name] is not None)
    return _Found(bool(found), next(values, None))


def draw_report(
    runs: Sequence[str], output: str, sections: Sequence[str] = (), axis: str = "step"
) -> Report:
    """Draw what runs measured over steps, tokens or time.

    Args:
        runs: folders of runs; each becomes a line in every panel of what it measures.
        output: HTML page, PNG, SVG or PDF to write.
        sections: further parts of the page, as HTML; a page may hold these alone.
        axis: what a picture is drawn over, of `AXES`; where a page begins, which has all.

    Raises:
        DataError: a folder is no run; the name's ending is none of those; or a run does not
            tell its tokens or time.
        MissingDependencyError: matplotlib is not installed.
    """
    ending = Path(output).suffix.lower().lstrip(".")
    if ending not in ("html", "png", "svg", "pdf"):
        raise DataError(f"cannot draw to {output}", "give a name ending in .html, .png, .svg, .pdf")
    names = _short_names(runs)
    curves = {name: read_run(run) for name, run in zip(names, runs, strict=True)}
    _require_axis(curves, axis)
    last = [{"run": name, "step": run.step, **run.last} for name, run in curves.items()]
    if ending == "html":
        folders = dict(zip(names, runs, strict=True))
        axes = [name for name in AXES if all(run.has(name) for run in curves.values())]
        write_page(output, Page(folders, curves, axes, axis, tuple(sections)))
        return Report(output, last)
    if not curves:
        raise DataError("there are no curves to draw", "give a name ending in .html")
    with atomic_write(output) as stream:
        make_figure(curves, axis).savefig(stream, format=ending, dpi=130)
    return Report(output, last)


def _require_axis(curves: Mapping[str, RunNumbers], axis: str) -> None:
    for name, run in curves.items():
        if not run.has(axis):
            raise DataError(
                f"{name} does not tell its {axis}: its metrics.jsonl has no tokens_per_second or"
                " seconds",
                "draw over steps",
            )


def _short_names(runs: Sequence[str]) -> list[str]:
    """The last part of each path, or the whole path where those are not distinct."""
    names = [Path(run).resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]
