"""Learning rates: pure functions from the number of updates already done to a rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bertkit.errors import ConfigError

Schedule = Callable[[int], float]

NAMES = ("linear", "polynomial", "constant", "up_down")
STAGES = ("constant", "linear", "exponential")
# Graphcore's schedule never falls below this.
FLOOR = 1e-7


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
    - `constant` stays at the peak;
    - `up_down` is `linear`, never below 1e-7, as in Graphcore's TensorFlow 2 recipes.

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

    def rate(step: int) -> float:
        risen = step - start_warmup_step
        if risen < warmup_steps:
            return learning_rate * risen / warmup_steps
        if name == "constant":
            return learning_rate
        begin = 0 if name == "polynomial" else warmup_steps + start_warmup_step
        left = max(0.0, (max_steps - step) / max(1, max_steps - begin))
        exponent = power if name == "polynomial" else 1.0
        fallen = float(end_learning_rate + (learning_rate - end_learning_rate) * left**exponent)
        return max(fallen, FLOOR) if name == "up_down" else fallen

    return rate


def staged(texts: Sequence[str], max_steps: int) -> Schedule:
    """One schedule after the other, as Cerebras' list of schedulers.

    Args:
        texts: `KIND:STEPS:FROM:TO` each, such as `linear:10000:0:1e-4`; for `constant` no
            TO; STEPS may be empty in the last one, which then fills up the run. A stage
            goes from FROM to TO in STEPS updates, in a straight line or (`exponential`)
            by a constant factor per update.
        max_steps: updates in the whole run.

    Returns:
        A function of the updates already done; after the last stage it stays at its end.

    Raises:
        ConfigError: a text of another form.
    """
    stages = []
    begin = 0
    for number, text in enumerate(texts, start=1):
        kind, steps, first, last = _stage(text)
        if steps is None:
            if number < len(texts):
                raise ConfigError(f"--stage {text}: only the last stage may leave out its steps")
            steps = max(1, max_steps - begin)
        stages.append((kind, begin, steps, first, last))
        begin += steps

    def rate(step: int) -> float:
        kind, begin, steps, first, last = next(
            (stage for stage in stages if step < stage[1] + stage[2]), stages[-1]
        )
        share = min(1.0, (step - begin) / steps)
        if kind == "exponential":
            return float(first * (last / first) ** share)
        return first + (last - first) * share

    return rate


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
