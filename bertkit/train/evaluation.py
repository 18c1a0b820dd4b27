"""Measures losses and accuracies of a model over batches; leaves off where a run is to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from bertkit import log
from bertkit.backends.base import Adapter, Stepper, Ticket
from bertkit.backends.process_group import ProcessGroup
from bertkit.data.step_batch import StepBatch
from bertkit.train import metrics
from bertkit.train.stop_signals import EvaluationStopped, StopSignals

T = TypeVar("T")

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

    Raises:
        EvaluationStopped: within a training that is to stop.
    """
    sums: dict[str, float] = {}
    pending: list[Ticket] = []
    with adapter.loader(batches, training=False) as loaded:
        shown = log.progress(loaded, total=total, unit="batch", description="evaluating")
        for batch in until_stopped(shown, adapter):
            pending.append(stepper.evaluate(batch))
            if len(pending) == _READ_EVERY:
                sums = metrics.total([sums, *stepper.read(pending)])
                pending.clear()
    sums = metrics.total([sums, *stepper.read(pending)])
    leave_if_stopped(adapter.process_group)
    return metrics.summarise(adapter.process_group.total(sums))


def until_stopped(batches: Iterable[T], adapter: Adapter) -> Iterator[T]:
    """The batches of an evaluation; no more of them once a signal asks the run to stop.

    Where an engine joins the processes, it wants as many batches from each: all come then.
    """
    group = adapter.process_group
    joined = adapter.caps.fixed_shapes and group.topology.world > 1
    for batch in batches:
        signals = StopSignals.active
        if signals is not None and signals.number and not joined:
            return
        yield batch


def leave_if_stopped(process_group: ProcessGroup) -> None:
    """Leave an evaluation in all processes where a signal has reached one of them.

    Args:
        process_group: every process calls this after its own batches.

    Raises:
        EvaluationStopped: the training that evaluates is to stop.
    """
    if StopSignals.active is None:
        return
    StopSignals.active.shared(process_group)
    if StopSignals.active.agreed:
        raise EvaluationStopped
