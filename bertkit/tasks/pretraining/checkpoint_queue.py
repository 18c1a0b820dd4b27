"""Lists the checkpoints to evaluate, and waits for those that a run has yet to write."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from bertkit.errors import DataError
from bertkit.train.checkpoints import checkpoint

Found = list[tuple[int | None, Path]]
POLL = 2.0  # seconds between two looks


def named_checkpoints(patterns: Sequence[str], wait: float = 0.0) -> Found:
    """Checkpoints in the order in which they are named; those of a run or a glob by step.

    Args:
        patterns: as for `bertkit.train.checkpoints.checkpoint.find`.
        wait: seconds to wait for the first one.

    Returns:
        (step or None, folder), each once.

    Raises:
        DataError: one is missing, also after waiting.
    """
    end = time.monotonic() + wait
    found, error = _look(patterns)
    while error and time.monotonic() < end:
        time.sleep(min(POLL, wait))
        found, error = _look(patterns)
    if error:
        raise error
    return found


def new_checkpoints(patterns: Sequence[str], done: Collection[Path], wait: float) -> Found:
    """Checkpoints that came since; none after `wait` seconds without one.

    Args:
        patterns: as for `named_checkpoints`.
        done: those that have been evaluated.
        wait: seconds.
    """
    end = time.monotonic() + wait
    while time.monotonic() < end:
        found, _ = _look(patterns)
        new = [item for item in found if item[1] not in done]
        if new:
            return new
        time.sleep(min(POLL, wait))
    return []


def _look(patterns: Sequence[str]) -> tuple[Found, DataError | None]:
    """(what is there, what is missing)."""
    try:
        found = [item for pattern in patterns for item in checkpoint.find([pattern])]
    except DataError as error:
        return [], error
    return list(dict.fromkeys(found)), None
