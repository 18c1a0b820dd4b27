"""Measures losses and accuracies of a model over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bertkit import log
from bertkit.backends.base import Adapter, Stepper, Ticket
from bertkit.data.step_batch import StepBatch
from bertkit.train import metrics

# Numbers leave the device after so many batches: reading one makes it wait.
_READ_EVERY = 16


def measure(
    stepper: Stepper,
    adapter: Adapter,
    batches: Callable[[], Iterator[StepBatch]],
    total: int | None = None,
) -> dict[str, float]:
    """`X_loss` and `X_accuracy` of every kind of prediction X that the task counts.

    Args:
        stepper: of any task whose sums have a count, see `metrics.summarise`.
        adapter: of the machine; knows the processes that evaluate together.
        batches: makes batches; each is seen once, by one of the processes.
        total: how many batches, for the progress bar.
    """
    sums: dict[str, float] = {}
    pending: list[Ticket] = []
    with adapter.loader(batches, training=False) as loaded:
        for batch in log.progress(loaded, total=total, unit="batch", description="evaluating"):
            pending.append(stepper.evaluate(batch))
            if len(pending) == _READ_EVERY:
                sums = metrics.total([sums, *stepper.read(pending)])
                pending.clear()
    sums = metrics.total([sums, *stepper.read(pending)])
    return metrics.summarise(adapter.process_group.total(sums))
