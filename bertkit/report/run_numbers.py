"""Reads the numbers of a run as columns, and thins out and smooths long ones for drawing."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# A curve is drawn with at most about so many points; a page is a thousand or two wide.
DRAWN = 10_000


class RunNumbers:
    """The lines of a `metrics.jsonl`: 16 bytes for each number, whatever else is in a line.

    Attributes:
        names: of all numbers in any line.
        step: the last step.
        last: kind of line → its last numbers, as they stood there.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self.names: set[str] = set()
        self.step = 0
        self.last: dict[str, dict[str, Any]] = {}
        self._columns: dict[tuple[str, str], tuple[array[float], array[float]]] = {}
        self._count = 0
        for entry in entries:
            self._add(entry)

    def __bool__(self) -> bool:
        return self._count > 0

    def column(self, kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(steps, values) float64 [n] of a number, where it is there and finite."""
        steps, values = self._columns.get((kind, name), (array("d"), array("d")))
        return np.frombuffer(steps, np.float64), np.frombuffer(values, np.float64)

    def _add(self, entry: Mapping[str, Any]) -> None:
        self._count += 1
        step, kind = entry["step"], entry["kind"]
        self.step = max(self.step, step)
        self.last[kind] = {
            key: value for key, value in entry.items() if key not in ("kind", "step")
        }
        self.names.update(entry)
        for name, value in self.last[kind].items():
            # Numbers that were not finite are null.
            if isinstance(value, (int, float)) and math.isfinite(value):
                columns = self._columns.setdefault((kind, name), (array("d"), array("d")))
                columns[0].append(step)
                columns[1].append(value)


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
