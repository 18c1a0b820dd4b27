"""Defines what MLPerf's log says of who ran a benchmark and on what. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import setting

DIVISIONS = ("closed", "open")
STATUSES = ("cloud", "onprem", "preview", "research")


@dataclass(frozen=True)
class Submission:
    """The lines of an MLPerf log that no run can know: `--set submission.org=...`."""

    org: str = setting("not given", help="Organisation that submits.")
    platform: str = setting(
        "", help="Name of the system; by default the number of processes and the backend."
    )
    division: str = setting(
        "closed", help="Division whose rules the run keeps to.", choices=DIVISIONS
    )
    status: str = setting(
        "research", help="How others get such a system (rules up to 4.0).", choices=STATUSES
    )
    cache_cleared: bool = setting(
        False, help="The system's caches were cleared before the run, as the rules ask."
    )
