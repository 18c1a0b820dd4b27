"""Reads the numbers of a run as columns, and thins out and smooths long ones for drawing."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.codecs.strict_json import is_finite
from bertkit.configuration.config import load_yaml
from bertkit.errors import DataError
from bertkit.kinds.missing import hint_for_missing
from bertkit.tasks.comparison.units import SQUAD
from bertkit.train import metrics
from bertkit.train.run_files import CONFIG, METRICS

# What curves can be drawn over.
AXES = ("step", "tokens", "seconds")
# A curve is drawn with at most about so many points; a page is a thousand or two wide.
DRAWN = 10_000
_RUNS = 5  # so many inside of a folder are named


class RunNumbers:
    """The lines of a `metrics.jsonl`: 24 bytes for each, and 16 for each number in it.

    Attributes:
        names: of all numbers in any line.
        step: the last step.
        last: kind of line → its last numbers, as they stood there.
        last_step: kind of line → its last step.
        position: samples seen.
        seconds: of training.
        tokens: real ones trained on, of the lines that tell their speed; 0 where none does.
        task: what the run learns, where it is known; in which unit scores are depends on it.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self.task = ""
        self.names: set[str] = set()
        self.step = 0
        self.last: dict[str, dict[str, Any]] = {}
        self.last_step: dict[str, int] = {}
        self.position, self.seconds, self.tokens = 0, 0.0, 0.0
        # (kind, number) → the line that it stood in, and its value.
        self._columns: dict[tuple[str, str], tuple[array[float], array[float]]] = {}
        # Of every line: steps, tokens and seconds up to it.
        self._places = {name: array("d") for name in AXES}
        self._count = 0
        for entry in entries:
            self._add(entry)

    def __bool__(self) -> bool:
        return self._count > 0

    def column(self, kind: str, name: str, axis: str = "step") -> tuple[np.ndarray, np.ndarray]:
        """(places, values) float64 [n] of a number, where it is there and finite.

        Args:
            kind: of line, train or eval.
            name: of the number.
            axis: what the places are, of `AXES`.
        """
        lines, values = self._columns.get((kind, name), (array("d"), array("d")))
        places = np.frombuffer(self._places[axis], np.float64)
        numbers = np.frombuffer(lines, np.float64).astype(np.int64)
        return places[numbers], np.frombuffer(values, np.float64)

    def has_numbers(self, kind: str, name: str) -> bool:
        """Whether a line of a kind held such a number."""
        return (kind, name) in self._columns

    def has(self, axis: str) -> bool:
        """Whether the run tells where on an axis it stood."""
        return {"step": True, "tokens": self.tokens > 0, "seconds": self.seconds > 0}[axis]

    def _add(self, entry: Mapping[str, Any]) -> None:
        step, kind = entry["step"], entry["kind"]
        self._move(entry)
        self.step = max(self.step, step)
        self.last_step[kind] = step
        self.last[kind] = {
            key: value for key, value in entry.items() if key not in ("kind", "step")
        }
        self.names.update(entry)
        for name, value in self.last[kind].items():
            # Numbers that were not finite are null.
            if is_finite(value):
                columns = self._columns.setdefault((kind, name), (array("d"), array("d")))
                columns[0].append(self._count)
                columns[1].append(value)
        self._count += 1

    def _move(self, entry: Mapping[str, Any]) -> None:
        """Go to the place of a line: a log line tells the time and the speed since the last."""
        seconds, speed = entry.get("seconds"), entry.get("tokens_per_second")
        if is_finite(seconds):
            if is_finite(speed):
                self.tokens += speed * max(0.0, seconds - self.seconds)
            self.seconds = seconds
        self.position = entry.get("position") or self.position
        for name, place in zip(AXES, (entry["step"], self.tokens, self.seconds), strict=True):
            self._places[name].append(place)


def runs_within(folder: str) -> list[str]:
    """Names of the first runs in a folder."""
    return [inside.parent.name for inside in sorted(Path(folder).glob(f"*/{METRICS}"))[:_RUNS]]


def require_run(run: str) -> Path:
    """The metrics.jsonl of a run.

    Raises:
        DataError: the folder has none; names the runs that it holds.
    """
    path = Path(run) / METRICS
    if not Path(run).exists():
        raise DataError(f"no such run: {run}", hint_for_missing(run))
    if not path.is_file():
        inner = runs_within(run)
        around = next((p for p in Path(run).parents[:2] if (p / METRICS).is_file()), None)
        if around is not None:
            raise DataError(f"{run} is not a run: it has no {METRICS}", f"it is part of {around}")
        raise DataError(
            f"{run} is not a run: it has no {METRICS}",
            f"it holds runs: {', '.join(inner)}; give these"
            if inner
            else "give the folder that `bertkit pretrain`, `finetune` or `finetune-squad` wrote",
        )
    return path


def read_run(run: str) -> RunNumbers:
    """The numbers of a run's metrics.jsonl.

    Raises:
        DataError: the folder has none, or it is empty.
    """
    path = require_run(run)
    numbers = RunNumbers(metrics.lines(path))
    numbers.task = _task(run, numbers.names)
    if not numbers:
        raise DataError(f"{path} has no line yet", "wait for the run's first log line")
    return numbers


def _task(run: str, names: Collection[str]) -> str:
    """The name of what a run learns: the settings of `finetune` have it, scores tell SQuAD."""
    path = Path(run) / CONFIG
    settings = load_yaml(path) if path.is_file() else {}
    answers = "exact" in names or "exact_match" in names
    return str(settings.get("task") or (SQUAD if answers else ""))


def smooth(values: np.ndarray, span: int) -> np.ndarray:
    """Mean over up to `span` neighbours on either side, fewer at the ends; float64 [n]."""
    count = len(values)
    places = np.arange(count)
    reach = np.minimum(span, np.minimum(places, count - 1 - places))
    # Sums of the differences from the mean stay small, and with them what rounding adds.
    middle = float(values.mean()) if count else 0.0
    sums = np.concatenate([[0.0], np.cumsum(values - middle)])
    means: np.ndarray = (sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)
    return middle + means


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every so many points of a smooth curve, the last one among them."""
    stride = -(-len(steps) // DRAWN)
    kept = np.arange(len(steps) - 1, -1, -max(1, stride))[::-1]
    return steps[kept], values[kept]


def envelope(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A noisy curve by the least and the greatest value of each stretch, if it is long."""
    stride = -(-2 * len(steps) // DRAWN)
    if stride <= 2:
        return steps, values
    begins = np.arange(0, len(steps), stride)
    ends = [np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)]
    return np.repeat(steps[begins], 2), np.stack(ends, axis=1).reshape(-1)
