"""Draws the panels of runs with matplotlib: as one picture, or each as SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from bertkit.optional import require
from bertkit.report.measures import to_unit
from bertkit.report.page.panels import Panel, panels
from bertkit.report.run_numbers import RunNumbers, envelope, smooth, thinned

# Curves of at least so many points are averaged; one average spans this share of them.
_SMOOTH_FROM, _SMOOTH_SHARE = 60, 0.03
AXIS_TITLES = {"step": "optimizer step", "tokens": "real tokens", "seconds": "training time"}
# What a number of seconds is divided by, once curves are longer than twice that.
_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_FROM_ZERO = ("tokens_per_second", "accuracy")
# Identifiers that nothing in an SVG points to; those of two pictures would be the same.
_UNUSED_IDS = re.compile(r' id="(?![mp][0-9a-f]{8,}")[^"]*"')


def colours(names: list[str]) -> dict[str, str]:
    """A colour, as #rrggbb, for each run; all different."""
    colormaps = require("matplotlib", "drawing", extra="plot").colormaps
    to_hex = require("matplotlib.colors", "drawing", extra="plot").to_hex
    if len(names) <= 10:
        return {name: to_hex(colormaps["tab10"](place)) for place, name in enumerate(names)}
    spread = colormaps["turbo"].resampled(len(names) + 2)
    return {name: to_hex(spread(place + 1)) for place, name in enumerate(names)}


def make_figure(curves: Mapping[str, RunNumbers], axis: str = "step") -> Any:
    """A matplotlib figure of all panels, with a legend that has every run.

    Args:
        curves: name → numbers of a run.
        axis: what they are drawn over: step, tokens or seconds.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    shown = panels(curves)
    rows = -(-len(shown) // 2)
    figure = _figure(12, 3.75 * rows)
    places = list(figure.subplots(rows, 2, squeeze=False).flat)
    for place, panel in zip(places, shown, strict=False):
        _draw(place, panel, curves, axis)
    for place in places[len(shown) :]:
        place.remove()
    _legend(figure, curves)
    return figure


def panel_svg(panel: Panel, curves: Mapping[str, RunNumbers], axis: str) -> str:
    """One panel as an SVG element that takes the text colour of the page around it."""
    figure = _figure(6, 3.4)
    _draw(figure.subplots(), panel, curves, axis)
    figure.patch.set_alpha(0)
    stream = io.StringIO()
    # The salt makes identifiers that are the same each time, and different in each picture.
    settings = {"svg.hashsalt": f"{panel.title} {axis}", "svg.fonttype": "none"}
    with require("matplotlib", "drawing", extra="plot").rc_context(settings):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = _UNUSED_IDS.sub("", text[text.index("<svg") :])
    return text.replace("#000000", "currentColor")


def _figure(width: float, height: float) -> Any:
    figures = require("matplotlib.figure", "drawing", extra="plot")
    canvas = require("matplotlib.backends.backend_agg", "drawing", extra="plot")
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    canvas.FigureCanvasAgg(figure)
    return figure


def _draw(place: Any, panel: Panel, curves: Mapping[str, RunNumbers], axis: str) -> None:
    colour = colours(list(curves))
    divisor, unit = _time_unit(curves) if axis == "seconds" else (1.0, "")
    for name in panel.runs:
        _curve(place, curves[name], panel.number, name, axis=(axis, divisor), colour=colour[name])
    place.set_title(panel.title, fontsize=11)
    place.set_xlabel(AXIS_TITLES[axis] + (f" ({unit})" if unit else ""))
    place.set_ylabel(panel.unit)
    place.grid(alpha=0.25)
    place.margins(x=0.01)
    place.set_facecolor("none")
    place.spines[["top", "right"]].set_visible(False)
    if panel.number.endswith(_FROM_ZERO):
        # The margin is one of the whole axis: of the data's own span a dot at the top is cut.
        place.set_ylim(0, 1.05 * place.dataLim.y1 if place.dataLim.y1 > 0 else None)
    if panel.number == "learning_rate":
        place.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
    else:
        place.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    if axis == "tokens":
        place.xaxis.set_major_formatter(lambda value, _: _short_count(value))


def _time_unit(curves: Mapping[str, RunNumbers]) -> tuple[float, str]:
    longest = max(run.seconds for run in curves.values())
    return next(item for item in _UNITS if longest > 2 * item[0] or item[0] == 1.0)


def _short_count(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _legend(figure: Any, curves: Mapping[str, Any]) -> None:
    """Every line of any panel, once."""
    found: dict[str, Any] = {}
    for place in figure.axes:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if len(curves) == 1 and len(found) < 2:
        figure.suptitle(next(iter(curves)), fontsize=12)
        return
    columns = min(4, len(found))
    figure.legend(found.values(), found, loc="outside upper center", ncols=columns)


def _curve(
    place: Any, run: RunNumbers, key: str, name: str, *, axis: tuple[str, float], colour: str
) -> None:
    for kind, style in (("train", "-"), ("eval", "o--")):
        places, values = run.column(kind, key, axis[0])
        if not len(places):
            continue
        places, values = places / axis[1], values * to_unit(key, run.task)
        label = name if kind == "train" else f"{name}, evaluation"
        # The learning rate is exact as it is; the others are noisy.
        noisy = kind == "train" and key != "learning_rate"
        if noisy and len(values) >= _SMOOTH_FROM:
            pale = envelope(places, values)
            place.plot(*pale, style, color=colour, alpha=0.22, linewidth=0.8)
            values = smooth(values, max(2, int(len(values) * _SMOOTH_SHARE)))
        line = thinned(places, values)
        place.plot(*line, style, color=colour, label=label, linewidth=1.6, markersize=5)
