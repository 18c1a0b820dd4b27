"""Sums over batches become losses and accuracies, over all processes."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

from bertkit.backends.base import Ticket
from bertkit.backends.process_group import ProcessGroup
from bertkit.train.evaluation import measure


class Twice(ProcessGroup):
    """Two processes that have seen the same."""

    def gather(self, item):
        return [item, item]


class Counting:
    """Every batch is one right and one wrong prediction; notes how many were read at once."""

    def __init__(self) -> None:
        self.reads: list[int] = []

    def evaluate(self, batch):
        return Ticket({"even_loss_sum": float(batch), "even_correct": 1.0, "even_count": 2.0})

    def read(self, tickets):
        self.reads.append(len(tickets))
        return [dict(ticket.sums) for ticket in tickets]


@pytest.mark.parametrize("group", [ProcessGroup(), Twice()])
def test_means_over_all_batches(group):
    adapter = SimpleNamespace(
        process_group=group, loader=lambda batches, training: contextlib.nullcontext(batches())
    )
    stepper = Counting()
    found = measure(stepper, adapter, lambda: iter(range(20)), total=20)
    assert found == {"even_loss": sum(range(20)) / 40, "even_accuracy": 0.5}
    assert sum(stepper.reads) == 20 and max(stepper.reads) < 20, "read now and then"
