"""A long wait is told once, by one process, with the numbers of those that are missing."""

from __future__ import annotations

import logging
import time

import pytest
from torch import distributed as dist

from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes import rendezvous, told_waits
from bertkit.backends.torch.processes.told_waits import ToldWaits


@pytest.fixture
def waits(monkeypatch):
    """Those of four processes, which tell at once."""
    monkeypatch.setattr(told_waits, "_TELL", 0.0)
    monkeypatch.setattr(told_waits, "_LOOK", 0.05)
    monkeypatch.setattr(rendezvous, "_hosts", ["node1", "node1", "node2", "node2"])
    store = dist.HashStore()
    made = [ToldWaits(Topology(4, rank, rank), store) for rank in range(4)]
    yield made
    for item in made:
        item.close()


def told(caplog, count):
    """The messages, once there are so many; a while longer for one too many."""
    end = time.monotonic() + 30
    while len(caplog.messages) < count and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)
    return caplog.messages


def test_who_is_missing_is_told_by_one_of_those_that_wait(waits, caplog):
    caplog.set_level(logging.WARNING)
    with waits[1].waiting(), waits[3].waiting():
        (text,) = told(caplog, 1)
    assert text.startswith("this run has waited for processes 0, 2 (on node1, node2) for ")
    # The next call: those that were missing have come to the one before meanwhile.
    for late in (waits[0], waits[2]):
        with late.waiting():
            pass
    with waits[0].waiting(), waits[1].waiting(), waits[3].waiting():
        assert told(caplog, 2)[1].startswith("this run has waited for process 2 (on node2) for ")


def test_a_short_wait_and_one_of_all_are_not_told(waits, caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    with waits[0].waiting(), waits[1].waiting(), waits[2].waiting(), waits[3].waiting():
        assert told(caplog, 0) == []
    monkeypatch.setattr(told_waits, "_TELL", 60.0)
    with waits[2].waiting():
        assert told(caplog, 0) == []
