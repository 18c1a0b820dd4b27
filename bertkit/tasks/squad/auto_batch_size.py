"""Finds the fastest number of windows per forward pass by trying several."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from bertkit import log
from bertkit.backends.base import Stepper
from bertkit.data.step_batch import StepBatch
from bertkit.errors import BertkitError
from bertkit.tasks.finetuning.outputs import by_length
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.features import Window

LARGEST = 1024
# A doubling that gains less than this is not worth its memory.
_GAIN = 1.03


def find_batch_size(
    stepper: Stepper, batcher: WindowBatcher, windows: Sequence[Window], fastest: bool
) -> int:
    """The batch size to answer with, doubling from 1 on the longest windows.

    Args:
        stepper: of a span model and `SpanObjective`.
        batcher: makes batches.
        windows: those to be answered.
        fastest: stop where the windows per second no longer rise, and take the size that
            had most; otherwise the largest size that fits into memory, at most `LARGEST`.
            The answers' scores depend on the size in their last bits alone.

    Raises:
        BertkitError: not even one window fits.
    """
    longest = by_length(windows)[:LARGEST]
    best, most, size = 0, 0.0, 1
    while size <= LARGEST:
        rate = _windows_per_second(stepper, batcher, longest[:size], fastest)
        if rate is None or (fastest and rate < _GAIN * most):
            break
        best, most = size, rate
        if size >= len(longest):
            break
        size *= 2
    if not best:
        raise BertkitError(
            "out of memory with one window per forward pass",
            "reduce --max-seq-length, or --precision bf16",
        )
    log.logger.info("%d windows per forward pass when answering", best)
    return best


def _windows_per_second(
    stepper: Stepper, batcher: WindowBatcher, windows: Sequence[Window], timed: bool
) -> float | None:
    """Rate of a batch, the better of two; None where the memory does not hold it."""
    batch = StepBatch([batcher.batch(windows)])
    rate = 0.0
    try:
        for _ in range(3 if timed and len(windows) == 1 else 2 if timed else 1):
            begin = time.perf_counter()
            sums = stepper.evaluate(batch).sums
            sums["start_scores"].cpu()  # waits for the device
            rate = max(rate, len(windows) / (time.perf_counter() - begin))
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and (
            "memory" not in str(error)
        ):
            raise
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()
        return None
    return rate
