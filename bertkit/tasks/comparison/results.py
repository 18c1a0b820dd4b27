"""Defines what a comparison holds: columns of tasks, rows of encoders, scores over seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """One task, one evaluation file, one score: what may stand below each other.

    Attributes:
        name: for people.
        percent: whether the scores are in percent.
        examples: in the file, where known.
    """

    name: str
    task: str
    metric: str
    percent: bool
    eval_file: str
    eval_sha256: str = ""
    examples: int | None = None


@dataclass(frozen=True)
class Summary:
    """A score over seeds.

    Attributes:
        n: number of seeds.
        mean: of the scores.
        deviation: of the sample (divided by n - 1); None for one seed.
        best: the highest, of losses the lowest.
        seeds: in the order of `scores`.
        runs: folders, likewise.
    """

    n: int
    mean: float
    deviation: float | None
    median: float
    best: float
    worst: float
    seeds: list[int | None]
    scores: list[float]
    runs: list[str]


@dataclass(frozen=True)
class Row:
    """One encoder, fine-tuned with one set of settings.

    Attributes:
        name: for people.
        encoder: checkpoint, as the runs name it.
        encoder_digest: of its weights, where known.
        settings: those in which it differs from the other rows of the same encoder.
        cells: one per column; None where there is no run.
    """

    name: str
    encoder: str
    encoder_digest: str
    settings: dict[str, Any]
    cells: list[Summary | None]


@dataclass(frozen=True)
class Comparison:
    """Encoders against tasks.

    Attributes:
        notes: what stands apart because it cannot be compared, one sentence each.
        left_out: (folder, reason) of runs without scores.
    """

    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values = asdict(self)
        values["left_out"] = [{"run": run, "reason": reason} for run, reason in self.left_out]
        return values
