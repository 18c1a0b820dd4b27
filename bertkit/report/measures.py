"""Says what the numbers of metrics.jsonl measure: their names for people, units and formats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from bertkit.tasks.comparison.units import (
    is_measured_share,
    is_share,
    scores_in_percent,
    to_percent,
)

# What a task's predictions are called: the beginning of a number's name → for people.
_PREDICTIONS = {
    "mlm": "masked LM",
    "nsp": "next sentence",
    "span": "answer span",
    "label": "label",
    "tag": "tag",
    "sentence": "sentence",
}
_NAMES = {
    "loss": "loss",
    "perplexity": "perplexity",
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_second": "real tokens/s",
    "sequences_per_second": "sequences/s",
    "peak_share": "share of measured peak",
    "loss_scale": "loss scale",
    "overflow_steps": "steps lost to overflow",
    "skipped_steps": "steps skipped",
    "exact_match": "exact match",
    "exact": "exact match",
    "f1": "F1",
    "f1_macro": "F1, mean over labels",
    "matthews": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
}
# In this order; what is not here comes after the losses and accuracies.
_FIRST, _LAST = (
    ("loss",),
    ("perplexity", "learning_rate", "grad_norm", "tokens_per_second", "sequences_per_second"),
)


def name_of(number: str) -> str:
    """A number's name for people: `mlm_accuracy` is the masked LM accuracy.

    What stands before it is kept: the name of a file (`dev_2/f1`), or of a tag (`LOC_f1`).
    """
    file, slash, own = number.rpartition("/")
    if slash:
        return f"{file}/{name_of(own)}"
    if number in _NAMES:
        return _NAMES[number]
    prefix, _, kind = number.rpartition("_")
    if kind in ("loss", "accuracy"):
        return f"{_PREDICTIONS.get(prefix, prefix.replace('_', ' '))} {kind}".lstrip()
    if prefix and kind in _NAMES:
        return f"{prefix} {_NAMES[kind]}"
    return number.replace("_", " ")


def prediction_of(number: str) -> str:
    """What a loss or accuracy is of: `masked LM`; empty for other numbers."""
    prefix, _, kind = number.rpartition("_")
    return _PREDICTIONS.get(prefix, prefix) if kind in ("loss", "accuracy") else ""


def heading_of(number: str) -> str:
    """A number's name for people with the unit of `text_of`, where that is percent."""
    return f"{name_of(number)} (%)" if is_measured_share(number) else name_of(number)


def unit_of(number: str) -> str:
    """The unit of a number, for an axis; empty where there is none."""
    if number.endswith("loss"):
        return "nats"
    if is_measured_share(number):
        return "percent"
    return {"tokens_per_second": "real tokens per second", "learning_rate": "per step"}.get(
        number, ""
    )


def to_unit(number: str, task: str = "") -> float:
    """What a number of a log line is multiplied by to be in its unit.

    Args:
        number: its name.
        task: of the run; some write their scores in percent, the others as shares of 1.
    """
    return to_percent(number, task) if is_measured_share(number) else 1.0


def text_of(number: str, value: float | None, task: str = "") -> str:
    """A number as text, with the digits that people compare; a dash where there is none.

    Args:
        number: its name.
        value: as the run wrote it.
        task: of the run.
    """
    if value is None or not math.isfinite(value):
        return "-"
    if is_measured_share(number):
        return f"{value * to_unit(number, task):.2f}"
    if number == "learning_rate":
        return f"{value:.2e}"
    if number == "peak_share":
        return f"{value:.1%}"
    if number.endswith(("_per_second", "_steps", "_scale", "_total")) or number == "total":
        return f"{value:,.0f}"
    return f"{value:,.2f}" if number == "perplexity" else f"{value:,.4f}"


def scores_as_text(task: str, scores: Mapping[str, Any]) -> dict[str, str]:
    """The scores of a fine-tuned model for people: name with unit → number.

    Args:
        task: that wrote them; some write them in percent, the others as shares of 1.
        scores: by name; what is no number is left out, what is not finite is a dash.
    """
    finite, found = scores_in_percent(task, scores), {}
    for name, value in scores.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            share, number = is_share(name), finite.get(name)
            text = f"{number:.2f}" if share and number is not None else text_of(name, number)
            found[f"{name_of(name)} (%)" if share else name_of(name)] = text
    return found


def in_order(numbers: Iterable[str]) -> list[str]:
    """Names of numbers as a table shows them: loss, losses, accuracies, scores, the rest."""
    ends = ("loss", "accuracy")

    def place(number: str) -> tuple[int, int]:
        if number in _FIRST:
            return 0, 0
        if number in _LAST:
            return 9, _LAST.index(number)
        ending = number.rpartition("_")[2]
        return (1, ends.index(ending)) if ending in ends else (2, 0)

    return sorted(dict.fromkeys(numbers), key=place)  # those of one place stay in their order
