"""Writes the report as one HTML page: curves, numbers, records, settings and hardware."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.configuration.config import flatten, load_yaml
from bertkit.configuration.record_settings import unused_record_settings
from bertkit.errors import DataError
from bertkit.report.measures import heading_of, in_order, text_of
from bertkit.report.page.drawing import colours, panel_svg
from bertkit.report.page.html_parts import document, html_table
from bertkit.report.page.panels import panels
from bertkit.report.page.record_samples import samples_section
from bertkit.report.run_numbers import RunNumbers
from bertkit.report.views.run import read_scores
from bertkit.screen.tables import shown
from bertkit.storage.files import read_json, write_text
from bertkit.train.run_files import CONFIG, MACHINE

_OVER = {"step": "steps", "tokens": "real tokens", "seconds": "training time"}
_HOURS = 3600.0
_LEFT_OUT = ("position", "seconds")  # shown as tokens and hours


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        folders: short name of a run → its folder.
        curves: short name → its numbers.
        axes: what curves can be drawn over, of `run_numbers.AXES`.
        axis: the one shown first.
        sections: further parts, as HTML.
    """

    folders: Mapping[str, str]
    curves: Mapping[str, RunNumbers]
    axes: Sequence[str]
    axis: str = "step"
    sections: tuple[str, ...] = ()


def write_page(output: str, page: Page) -> None:
    """Write a page.

    Raises:
        DataError: a file of a run is damaged.
        MissingDependencyError: matplotlib is not installed, and there are curves.
    """
    title = f"Runs: {', '.join(page.folders)}" if page.folders else "Answers"
    configs = {name: _config(folder) for name, folder in page.folders.items()}
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        *(_curves(page) if page.curves else []),
        *(["<h2>Last numbers</h2>", _last_numbers(page.curves)] if page.curves else []),
        *_scores(page.folders),
        *page.sections,
        *(samples_section(name, config) for name, config in configs.items()),
        *_settings(configs),
        *_machines({name: _machine(folder) for name, folder in page.folders.items()}),
    ]
    write_text(output, document(title, parts))


def _curves(page: Page) -> list[str]:
    """A legend, a choice of what the curves are drawn over, and the panels for each."""
    colour = colours(list(page.curves))
    entries = "".join(
        f'<li><i style="border-color: {colour[name]}"></i>{html.escape(name)}</li>'
        for name in page.curves
    )
    parts = [f'<ul class="legend">{entries}</ul>', "<div>"]
    for axis in page.axes:
        chosen = " checked" if axis == page.axis else ""
        parts.append(
            f'<input type="radio" name="axis" id="axis-{axis}"{chosen}>'
            f'<label class="axes" for="axis-{axis}">over {_OVER[axis]}</label>'
        )
    parts.append('<p class="quiet">Lines are of training, dots of evaluations.</p>')
    for axis in page.axes:
        pictures = [panel_svg(panel, page.curves, axis) for panel in panels(page.curves)]
        parts.append(f'<div class="grid {axis}">{"".join(pictures)}</div>')
    return [*parts, "</div>"]


def _last_numbers(curves: Mapping[str, RunNumbers]) -> str:
    """A column for each run: few runs have many numbers. What no run tells has no row."""
    runs = list(curves.values())
    lines = [["step", *(f"{run.step:,}" for run in runs)]]
    if any(run.tokens for run in runs):
        lines.append(
            ["real tokens", *(f"{run.tokens:,.0f}" if run.tokens else "-" for run in runs)]
        )
    if any(run.seconds for run in runs):
        hours = (f"{run.seconds / _HOURS:.3f}" if run.seconds else "-" for run in runs)
        lines.append(["hours", *hours])
    for kind, prefix in (("train", ""), ("eval", "evaluation: ")):
        last = [(run.last.get(kind, {}), run.task) for run in runs]
        for name in in_order(name for numbers, _ in last for name in numbers):
            if name not in _LEFT_OUT:
                texts = (text_of(name, numbers.get(name), task) for numbers, task in last)
                lines.append([f"{prefix}{heading_of(name)}", *texts])
    return html_table(("", *curves), lines)


def _scores(folders: Mapping[str, str]) -> list[str]:
    """What fine-tuned runs scored on their evaluation files."""
    found = {name: scores for name, folder in folders.items() if (scores := read_scores(folder))}
    names = list(dict.fromkeys(name for scores in found.values() for name in scores))
    if not found:
        return []
    rows = [[run, *(scores.get(name, "-") for name in names)] for run, scores in found.items()]
    return ["<h2>Scores</h2>", html_table(("run", *names), rows)]


def _settings(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Settings that differ between the runs, and all of them folded away."""
    configs = {
        name: {key: value for key, value in config.items() if key not in unused}
        for name, config in configs.items()
        for unused in [set(unused_record_settings(config))]
    }
    keys = list(dict.fromkeys(key for config in configs.values() for key in config))
    rows = [[key, *(shown(config.get(key)) for config in configs.values())] for key in keys]
    other = [row for row in rows if len(set(row[1:])) > 1 and row[0] != "output"]
    head = ("setting", *configs)
    parts = []
    if len(configs) > 1:
        found = html_table(head, other) if other else "<p>None.</p>"
        parts += ["<h2>Settings that differ</h2>", found]
    if rows:
        parts.append(f"<details><summary>All settings</summary>{html_table(head, rows)}</details>")
    return parts


def _machines(machines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for machine in machines.values() for key in machine))
    rows = [[key, *(shown(machine.get(key)) for machine in machines.values())] for key in keys]
    rows = [row for row in rows if set(row[1:]) != {"-"}]
    return ["<h2>Hardware and software</h2>", html_table(("", *machines), rows)] if rows else []


def _config(folder: str) -> dict[str, Any]:
    path = Path(folder) / CONFIG
    return flatten(load_yaml(path)) if path.is_file() else {}


def _machine(folder: str) -> dict[str, Any]:
    path = Path(folder) / MACHINE
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: not the facts of a machine", "remove the file to do without it")
    return found
