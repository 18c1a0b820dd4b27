"""Summarises a score over seeds: mean, sample deviation, median, best and worst."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bertkit.tasks.comparison.results import Summary
from bertkit.tasks.comparison.scored_run import ScoredRun
from bertkit.tasks.comparison.units import smaller_is_better


def summary(scored: Sequence[tuple[ScoredRun, float]], metric: str) -> Summary:
    """The scores of some runs that differ in their seeds alone.

    Args:
        scored: at least one run with its score.
        metric: name of the score.
    """
    scores = [score for _, score in scored]
    best, worst = max(scores), min(scores)
    if smaller_is_better(metric):
        best, worst = worst, best
    return Summary(
        n=len(scores),
        mean=statistics.fmean(scores),
        deviation=statistics.stdev(scores) if len(scores) > 1 else None,
        median=statistics.median(scores),
        best=best,
        worst=worst,
        seeds=[run.seed for run, _ in scored],
        scores=scores,
        runs=[run.folder for run, _ in scored],
    )
