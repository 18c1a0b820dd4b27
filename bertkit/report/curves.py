"""Draws the curves of runs, as a picture or an HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError
from bertkit.files import atomic_write
from bertkit.optional import require
from bertkit.report.page import write_page
from bertkit.report.run_numbers import RunNumbers, envelope, read_run, smooth, thinned
from bertkit.temporary import remove_leftovers

# Panels: (number in metrics.jsonl, title, unit), for pretraining and for question answering.
_PRETRAINING = (
    ("loss", "Training loss (masked LM + next sentence)", "nats"),
    ("mlm_accuracy", "Masked LM accuracy", "share of masked tokens"),
)
_ANSWERING = (
    ("loss", "Training loss (start and end of the answer)", "nats"),
    ("span_accuracy", "Answers found, both ends right", "share of windows"),
)
_ANY = (
    ("learning_rate", "Learning rate", "per step"),
    ("tokens_per_second", "Throughput", "real tokens per second"),
)
# Curves of at least so many points are averaged; one average spans this share of them.
_SMOOTH_FROM, _SMOOTH_SHARE = 60, 0.03


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
        """The runs' last losses and accuracies, and where the picture is."""
        columns = ("run", "step", "loss", "accuracy", "accuracy, evaluation")
        rows = [
            (
                run["run"],
                run["step"],
                _shown(run, "train", "loss"),
                _shown(run, "train", "mlm_accuracy", "span_accuracy"),
                _shown(run, "eval", "mlm_accuracy"),
            )
            for run in self.runs
        ]
        return f"{log.table(columns, rows)}\n\n{self.output}"


def _shown(run: Mapping[str, Any], kind: str, *names: str) -> str:
    """The first of these numbers that a run has, else a dash."""
    numbers = run.get(kind, {})
    found = (numbers[name] for name in names if numbers.get(name) is not None)
    return next((f"{number:.4f}" for number in found), "-")


def draw_report(runs: Sequence[str], output: str, sections: Sequence[str] = ()) -> Report:
    """Draw loss, accuracy, learning rate and throughput of runs over their steps.

    Args:
        runs: folders of runs; each becomes a line in every panel.
        output: HTML page, PNG, SVG or PDF to write.
        sections: further parts of the page, as HTML; a page may hold these alone.

    Raises:
        DataError: a folder is no run; or the name's ending is none of those.
        MissingDependencyError: matplotlib is not installed.
    """
    ending = Path(output).suffix.lower().lstrip(".")
    if ending not in ("html", "png", "svg", "pdf"):
        raise DataError(f"cannot draw to {output}", "give a name ending in .html, .png, .svg, .pdf")
    remove_leftovers(Path(output).parent, name=Path(output).name)
    names = _short_names(runs)
    curves = {name: read_run(run) for name, run in zip(names, runs, strict=True)}
    figure = make_figure(curves) if curves else None
    last = [{"run": name, "step": run.step, **run.last} for name, run in curves.items()]
    if ending == "html":
        picture = _svg(figure) if figure else ""
        write_page(output, dict(zip(names, runs, strict=True)), last, picture, sections)
        return Report(output, last)
    if figure is None:
        raise DataError("there are no curves to draw", "give a name ending in .html")
    with atomic_write(output) as stream:
        figure.savefig(stream, format=ending, dpi=130)
    return Report(output, last)


def panels(curves: Mapping[str, RunNumbers]) -> tuple[tuple[str, str, str], ...]:
    """(number, title, unit) of each panel; pretraining and question answering have their own.

    Args:
        curves: name → numbers of a run.
    """
    names = {name for run in curves.values() for name in run.names}
    answers = "span_accuracy" in names and "mlm_accuracy" not in names
    return (_ANSWERING if answers else _PRETRAINING) + _ANY


def _svg(figure: Any) -> str:
    """A figure as an SVG element to stand inside a page."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def make_figure(curves: Mapping[str, RunNumbers]) -> Any:
    """A matplotlib figure with one panel for each of `panels`.

    Args:
        curves: name → numbers of a run.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", "drawing", extra="plot")
    canvas = require("matplotlib.backends.backend_agg", "drawing", extra="plot")
    figure = figures.Figure(figsize=(12, 7.5), layout="constrained")
    canvas.FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2).flat
    for axis, (key, title, unit) in zip(axes, panels(curves), strict=True):
        for index, (name, run) in enumerate(curves.items()):
            _curve(axis, run, key, name, f"C{index}")
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("optimizer step")
        axis.set_ylabel(unit)
        axis.grid(alpha=0.25)
        axis.margins(x=0.01)
        axis.spines[["top", "right"]].set_visible(False)
        if key in ("tokens_per_second", "mlm_accuracy", "span_accuracy"):
            axis.set_ylim(bottom=0)
        if key == "learning_rate":
            axis.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
        else:
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    _legend(figure, curves)
    return figure


def _legend(figure: Any, curves: Mapping[str, Any]) -> None:
    axes = figure.axes
    handles, labels = axes[1].get_legend_handles_labels()
    if len(curves) == 1 and len(handles) < 2:
        figure.suptitle(next(iter(curves)), fontsize=12)
        return
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)))


def _curve(axis: Any, run: RunNumbers, key: str, name: str, colour: str) -> None:
    for kind, style in (("train", "-"), ("eval", "o--")):
        steps, values = run.column(kind, key)
        if not len(steps):
            continue
        label = name if kind == "train" else f"{name}, evaluation"
        # The learning rate is exact as it is; the others are noisy.
        noisy = kind == "train" and key != "learning_rate"
        if noisy and len(values) >= _SMOOTH_FROM:
            pale = envelope(steps, values)
            axis.plot(*pale, style, color=colour, alpha=0.22, linewidth=0.8)
            values = smooth(values, max(2, int(len(values) * _SMOOTH_SHARE)))
        line = thinned(steps, values)
        axis.plot(*line, style, color=colour, label=label, linewidth=1.6, markersize=5)


def _short_names(runs: Sequence[str]) -> list[str]:
    """The last part of each path, or the whole path where those are not distinct."""
    names = [Path(run).resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]
