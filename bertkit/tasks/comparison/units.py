"""Says which numbers of a run are scores, and turns them into percent. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bertkit.codecs.strict_json import is_finite

SQUAD = "squad"
# Tasks whose scores are written in percent: those of the official scripts, and ROUGE.
_IN_PERCENT = {SQUAD, "summarise"}
# Ends of names: of scores that are not shares of 1, and of those of which less is better. A tag
# may be called `country`, and its F1 `country_f1`: so only the end counts.
_NO_SHARE = re.compile(r"(?:^|[_/])(?:loss|perplexity|r?mse|mae|total|examples|count|thresh)$")
_LESS_IS_BETTER = re.compile(r"(?:^|[_/])(?:loss|perplexity|r?mse|mae)$")
# Among the numbers of a log line, which has speeds and norms too, these are shares of 1.
_MEASURED_SHARE = re.compile(
    r"(?:^|[_/])(?:accuracy|precision|recall|f1|f1_macro|f1_micro|matthews|pearson|spearman|exact"
    r"|exact_match|rouge[12L]|rougeLsum)$"
)


def is_share(metric: str) -> bool:
    """Whether a score of a scored file is shown in percent."""
    return not _NO_SHARE.search(metric)


def is_measured_share(number: str) -> bool:
    """Whether a number of a log line or an evaluation is shown in percent."""
    return bool(_MEASURED_SHARE.search(number))


def smaller_is_better(metric: str) -> bool:
    """Whether a score is an error, of which the least is the best."""
    return bool(_LESS_IS_BETTER.search(metric))


def to_percent(number: str, task: str) -> float:
    """What a share that a run wrote is to be multiplied by to be in percent.

    Args:
        number: a name; training counts what is right as a share of 1 whatever the task.
        task: that wrote it; may be empty.
    """
    return 1.0 if task in _IN_PERCENT and not number.endswith("accuracy") else 100.0


def scores_in_percent(task: str, scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores that are numbers; shares in percent, as those of some tasks are already."""
    numbers = {
        name: float(value)
        for name, value in scores.items()
        if is_finite(value) and not isinstance(value, bool)
    }
    return {
        name: value * to_percent(name, task) if is_share(name) else value
        for name, value in numbers.items()
    }
