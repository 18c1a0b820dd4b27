"""Says which panels the curves of runs need: one for each thing that some of them measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bertkit.report.measures import in_order, name_of, prediction_of, unit_of
from bertkit.report.run_numbers import RunNumbers

_EVERYWHERE = ("learning_rate", "tokens_per_second")
# Numbers of a log line that are not what a run is compared by.
_UNDRAWN = {"grad_norm", "sequences_per_second", "perplexity", "peak_share", "loss_scale"}
_UNDRAWN |= {"position", "seconds", "step", "kind", "overflow_steps", "skipped_steps"}


@dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
        number: its name in metrics.jsonl.
        title: what it measures.
        unit: of its numbers; may be empty.
        runs: names of those that measure it.
    """

    number: str
    title: str
    unit: str
    runs: tuple[str, ...]


def panels(curves: Mapping[str, RunNumbers]) -> list[Panel]:
    """The panels of runs; losses of different tasks never share one.

    Args:
        curves: name → numbers of a run.
    """
    found = _losses(curves)
    names = dict.fromkeys(name for run in curves.values() for name in sorted(run.names))
    drawn = [
        name
        for name in in_order(names)
        if name not in _UNDRAWN and name not in _EVERYWHERE and not name.endswith("loss")
    ]
    for name in [*drawn, *_EVERYWHERE]:
        runs = tuple(key for key, run in curves.items() if name in run.names)
        if runs:
            title = name_of(name)
            found.append(Panel(name, title[:1].upper() + title[1:], unit_of(name), runs))
    return found


def _losses(curves: Mapping[str, RunNumbers]) -> list[Panel]:
    """One panel of training losses for each set of predictions that a loss is the sum of."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, run in curves.items():
        if run.has_numbers("train", "loss"):
            groups.setdefault(_parts(run), []).append(key)
    found = []
    for parts, runs in groups.items():
        title = f"Training loss ({' + '.join(parts)})" if parts else "Training loss"
        found.append(Panel("loss", title, unit_of("loss"), tuple(runs)))
    return found


def _parts(run: RunNumbers) -> tuple[str, ...]:
    names = sorted(name for name in run.names if name.endswith("_loss"))
    return tuple(prediction_of(name) for name in names if run.has_numbers("train", name))
