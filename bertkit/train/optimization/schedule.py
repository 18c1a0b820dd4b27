"""Defines learning rate schedules as functions from the number of updates to a rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bertkit.errors import ConfigError

NAMES = ("linear", "polynomial", "cosine", "constant", "up_down")
STAGES = ("constant", "linear", "cosine", "exponential")
# Graphcore's schedule never falls below this.
FLOOR = 1e-7


@dataclass(frozen=True)
class Piece:
    """A range of steps of a schedule.

    Attributes:
        kind: `constant`, `polynomial` (last + (first - last) * (1 - share) ** power), `cosine`
            (last + (first - last) * (1 + cos(pi * share)) / 2) or `exponential` (a constant
            factor per update).
        begin: updates done where it starts.
        steps: updates it takes; from then on the rate stays.
        first: rate at its start.
        last: rate at its end.
        power: of a polynomial; 1 is a straight line.
    """

    kind: str
    begin: int
    steps: int
    first: float
    last: float
    power: float = 1.0

    def __call__(self, step: int) -> float:
        """The rate after so many updates, which lie in this piece or after it."""
        share = min(1.0, (step - self.begin) / self.steps)
        if self.kind == "exponential":
            return float(self.first * (self.last / self.first) ** share)
        left = (1 - share) ** self.power
        if self.kind == "cosine":
            left = (1 + math.cos(math.pi * share)) / 2
        return float(self.last + (self.first - self.last) * left)


@dataclass(frozen=True)
class Schedule:
    """A learning rate over a whole run.

    Attributes:
        pieces: one after the other, the first from 0 on; machines that compute the rate
            themselves take these.
    """

    pieces: tuple[Piece, ...]

    def __call__(self, step: int) -> float:
        """The rate of the update that comes after so many others."""
        return next(piece for piece in reversed(self.pieces) if piece.begin <= max(0, step))(step)


def make_schedule(
    name: str,
    *,
    learning_rate: float,
    max_steps: int,
    warmup_steps: int = 0,
    start_warmup_step: int = 0,
    power: float = 1.0,
    end_learning_rate: float = 0.0,
) -> Schedule:
    """The schedule of a run.

    All of them rise in a straight line during the first `warmup_steps` updates (counted
    from `start_warmup_step`, which may be negative as in MLPerf's large-batch runs).
    Then, with s the updates already done and T = max_steps:

    - `linear` falls in a straight line from the end of the warm-up to T, as Hugging
      Face's `get_linear_schedule_with_warmup` does;
    - `polynomial` is end + (peak - end) * (1 - s / T) ** power with s counted from the
      start of the run, as in Google's BERT (power 1) and NVIDIA's (power 0.5): it steps
      down a little when the warm-up ends;
    - `cosine` falls along half a wave from the end of the warm-up to T, as Hugging Face's
      `get_cosine_schedule_with_warmup` does;
    - `constant` stays at the peak;
    - `up_down` is that of Graphcore's TensorFlow 2 recipes: it falls as peak * (T - s - 1) /
      (T - warm-up steps), one step ahead of `linear`, and is never below 1e-7.

    Args:
        name: one of `NAMES`.
        learning_rate: the peak.
        max_steps: T, updates in the whole run.
        warmup_steps: updates of the rise; 0 starts at the peak.
        start_warmup_step: the update at which the rise starts.
        power: of the polynomial.
        end_learning_rate: the rate at T.

    Returns:
        A function of s; from T on it stays at `end_learning_rate` (or the peak).
    """
    if name not in NAMES:
        raise ValueError(f"no schedule {name!r}; there are {', '.join(NAMES)}")

    begin = max(0, warmup_steps + start_warmup_step)
    pieces = []
    if begin:
        first = -learning_rate * start_warmup_step / warmup_steps
        pieces.append(Piece("polynomial", 0, begin, first, learning_rate))
    left = max_steps - begin
    if name == "up_down":
        return Schedule(tuple(_up_down(pieces, begin, left, learning_rate, end_learning_rate)))
    if name == "constant":
        pieces.append(Piece("constant", begin, 1, learning_rate, learning_rate))
    elif left <= 0:
        pieces.append(Piece("constant", begin, 1, end_learning_rate, end_learning_rate))
    elif name == "polynomial":
        share = (left / max_steps) ** power
        first = end_learning_rate + (learning_rate - end_learning_rate) * share
        pieces.append(Piece("polynomial", begin, left, first, end_learning_rate, power))
    else:
        kind = "cosine" if name == "cosine" else "polynomial"
        pieces.append(Piece(kind, begin, left, learning_rate, end_learning_rate))
    return Schedule(tuple(pieces))


def _up_down(rise: list[Piece], begin: int, left: int, peak: float, end: float) -> list[Piece]:
    """The rise up to and with its last step, then the fall, one step ahead of a line to the end."""
    if peak <= FLOOR:
        return [Piece("constant", 0, 1, FLOOR, FLOOR)]
    top = begin + 1
    pieces = [_raised(rise[0])] if rise else [Piece("constant", 0, 1, peak, peak)]
    if rise and pieces[0].begin > 0:
        pieces.insert(0, Piece("constant", 0, 1, FLOOR, FLOOR))
    steps = left - 2
    if steps < 1:
        return [*pieces, Piece("constant", top, 1, max(end, FLOOR), max(end, FLOOR))]
    first = end + (peak - end) * steps / left
    return _with_floor([*pieces, Piece("polynomial", top, steps, first, end)])


def _raised(rise: Piece) -> Piece:
    """A rise without its first steps, in which the floor is above it."""
    if rise.first >= FLOOR:
        return rise
    late = min(rise.steps - 1, math.ceil(FLOOR / rise.last * rise.steps))
    return Piece("polynomial", late, rise.steps - late, rise(late), rise.last)


def _with_floor(pieces: list[Piece]) -> list[Piece]:
    """The same, but from where the last piece, a falling line, goes below FLOOR it stays there."""
    *rise, fall = pieces
    if fall.last >= FLOOR:
        return pieces
    if fall.first <= FLOOR:
        return [*rise, Piece("constant", fall.begin, 1, FLOOR, FLOOR)]
    reached = (fall.first - FLOOR) / (fall.first - fall.last) * fall.steps
    return [*pieces, Piece("constant", fall.begin + math.ceil(reached), 1, FLOOR, FLOOR)]


def staged(texts: Sequence[str], max_steps: int) -> Schedule:
    """One schedule after the other, as Cerebras' list of schedulers.

    Args:
        texts: `KIND:STEPS:FROM:TO` each, such as `linear:10000:0:1e-4`; for `constant` no
            TO; STEPS may be empty in the last one, which then takes the rest of the run. A stage
            goes from FROM to TO in STEPS updates, in a straight line, as half a wave (`cosine`)
            or by a constant factor per update (`exponential`).
        max_steps: updates in the whole run.

    Returns:
        A function of the updates already done; after the last stage it stays at its end.

    Raises:
        ConfigError: a text of another form.
    """
    pieces = []
    begin = 0
    for number, text in enumerate(texts, start=1):
        kind, steps, first, last = _stage(text)
        if steps is None:
            if number < len(texts):
                raise ConfigError(
                    f"--stage {text}: only the last stage may omit its number of steps"
                )
            steps = max(1, max_steps - begin)
        form = "polynomial" if kind == "linear" else kind
        pieces.append(Piece(form, begin, steps, first, last))
        begin += steps
    return Schedule(tuple(pieces))


def _stage(text: str) -> tuple[str, int | None, float, float]:
    form = "KIND:STEPS:FROM:TO, such as linear:10000:0:1e-4 or constant:5000:1e-4"
    parts = text.split(":")
    try:
        kind, steps, first = parts[0], int(parts[1]) if parts[1] else None, float(parts[2])
        last = float(parts[3]) if kind != "constant" else first
    except (ValueError, IndexError) as error:
        raise ConfigError(f"--stage {text}: not {form}") from error
    if kind not in STAGES or (steps is not None and steps < 1) or min(first, last) < 0:
        raise ConfigError(f"--stage {text}: not {form}; kinds: {', '.join(STAGES)}")
    if kind == "exponential" and not (first > 0 and last > 0):
        raise ConfigError(f"--stage {text}: an exponential stage needs rates above 0")
    return kind, steps, first, last
