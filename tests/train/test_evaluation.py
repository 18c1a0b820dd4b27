"""Sums over batches become losses and accuracies, over all processes."""

from __future__ import annotations

import contextlib
import os
import signal
from types import SimpleNamespace

import pytest

from bertkit.backends.base import Ticket
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.train.evaluation import measure
from bertkit.train.stop_signals import EvaluationStopped, StopSignals


class Twice(ProcessGroup):
    """Two processes that have seen the same."""

    def gather(self, item):
        return [item, item]


class Counting:
    """Every batch is one right and one wrong prediction; notes how many were read at once.

    Args:
        signal_at: the batch at which the process is asked to stop.
    """

    def __init__(self, signal_at: int = -1) -> None:
        self.reads: list[int] = []
        self.signal_at = signal_at

    def evaluate(self, batch):
        if batch == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return Ticket({"even_loss_sum": float(batch), "even_correct": 1.0, "even_count": 2.0})

    def read(self, tickets):
        self.reads.append(len(tickets))
        return [dict(ticket.sums) for ticket in tickets]


def adapter_of(group, fixed_shapes=False):
    return SimpleNamespace(
        process_group=group,
        loader=lambda batches, training: contextlib.nullcontext(batches()),
        caps=SimpleNamespace(fixed_shapes=fixed_shapes),
    )


@pytest.mark.parametrize("group", [ProcessGroup(), Twice()])
def test_means_over_all_batches(group):
    stepper = Counting()
    found = measure(stepper, adapter_of(group), lambda: iter(range(20)), total=20)
    assert found == {"even_loss": sum(range(20)) / 40, "even_accuracy": 0.5}
    assert sum(stepper.reads) == 20 and max(stepper.reads) < 20, "read now and then"


class Other(ProcessGroup):
    """This process and one that a signal has reached, or has not."""

    def __init__(self, number=0):
        super().__init__(Topology(world=2))
        self.number = number

    def sum(self, values):
        return [values[0] + self.number]

    def gather(self, item):
        raise AssertionError("numbers of a part of the batches are never added up")


@pytest.mark.parametrize(
    "group, fixed_shapes, seen",
    [
        (ProcessGroup(), False, 4),
        (ProcessGroup(), True, 4),
        (Other(), False, 4),
        (Other(), True, 20),
    ],
)
def test_a_signal_ends_an_evaluation_after_its_batch(group, fixed_shapes, seen):
    """Processes whose passes an engine joins make all of them."""
    stepper = Counting(signal_at=3)
    with StopSignals(), pytest.raises(EvaluationStopped):
        measure(stepper, adapter_of(group, fixed_shapes), lambda: iter(range(20)), total=20)
    assert sum(stepper.reads) == seen


def test_a_signal_to_another_process_ends_an_evaluation_at_its_end():
    stepper = Counting()
    with StopSignals(), pytest.raises(EvaluationStopped):
        measure(stepper, adapter_of(Other(signal.SIGTERM)), lambda: iter(range(20)), total=20)
    assert sum(stepper.reads) == 20
