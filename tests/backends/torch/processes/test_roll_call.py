"""Processes that are one run begin; those that cannot be are told why, in all of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading

import pytest
from together import ends_of, free_ports

from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes import rendezvous
from bertkit.backends.torch.processes.rendezvous import connect, meet
from bertkit.backends.torch.processes.roll_call import NoMeetingError, RollCall, listed

# A run of one small step; its second process dies at its first start.
FALLEN = """
import os, signal
import torch
from torch import nn
from bertkit.backends import registry
with registry.get("cpu") as adapter:
    topology = adapter.start(distributed=True, process_timeout=0.5)
    adapter.process_group.wait()
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and topology.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    total = adapter.process_group.sum([topology.rank + 1.0])
    assert total == [3.0], total
"""


@pytest.fixture
def place(monkeypatch):
    """Where processes of tests meet; the port."""
    (port,) = free_ports(1)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", port)
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr(rendezvous, "_HEARING", 0.5)
    return int(port)


def met(*topologies, minutes=0.5):
    """What each found: a store or an error."""
    found: list[object] = [None] * len(topologies)

    def come(number, topology):
        try:
            found[number] = meet(topology, minutes)
        except (RuntimeError, TimeoutError) as error:
            found[number] = error

    threads = [threading.Thread(target=come, args=item) for item in enumerate(topologies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_process_that_was_started_twice_ends_all_that_came(place):
    found = met(Topology(3, 0, 0), Topology(3, 1, 1), Topology(3, 1, 1))
    assert all(isinstance(error, NoMeetingError) for error in found)
    (text,) = {str(error) for error in found}
    assert text.startswith("process 1 was started twice: on ")
    assert text.count(f"process id {os.getpid()}") == 2


def test_processes_must_expect_the_same_number(place):
    (text,) = {str(error) for error in met(Topology(3, 0, 0), Topology(2, 1, 1))}
    assert text in (
        "WORLD_SIZE is 3 for process 0, 2 for process 1",
        "WORLD_SIZE is 2 for process 1, 3 for process 0",
    )


def test_who_comes_to_a_run_that_is_complete_is_sent_away(place):
    first, second = met(Topology(2, 0, 0), Topology(2, 1, 1))
    with pytest.raises(NoMeetingError, match=r"is complete: its process 1 is on .*, process id"):
        meet(Topology(2, 1, 1), 0.5)
    with pytest.raises(NoMeetingError, match=r"complete with 2 processes; WORLD_SIZE is 3 here"):
        meet(Topology(3, 2, 2), 0.5)
    first.set("still", "here")
    assert second.get("still") == b"here"
    assert rendezvous.named_with_hosts([0, 1]) == f"processes 0, 1 (on {socket.gethostname()})"


def test_another_version_may_say_more_or_less_of_itself(place):
    """Versions are compared later, where the difference is told."""
    kept = connect(5.0, is_master=True)
    kept.set("bertkit/meeting", "x")
    line = {"rank": 0, "world": 2, "word": "w", "where": "of 0.9", "mood": "good"}
    kept.append("bertkit/x/came", json.dumps(line) + "\n")
    roll = RollCall(kept, Topology(2, 1, 1), own_store=True)
    assert not roll.complete() and roll.missing() == []
    words = ["w", roll._me.word]
    kept.set("bertkit/x/verdict", json.dumps({"words": words, "refused": ""}))
    assert roll.complete() and roll.hosts == []


def test_the_others_hear_who_did_not_come(place):
    found = met(Topology(3, 0, 0), Topology(3, 2, 2), minutes=0.02)
    assert {str(error) for error in found} == {"process 1 has not come in 0.02 minutes"}


def test_what_an_earlier_start_left_in_the_store_is_not_taken_for_now(place, monkeypatch):
    """torchrun keeps its store; without a failure it does not even count the starts."""
    kept = connect(5.0, is_master=True)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    before, _ = met(Topology(2, 0, 0), Topology(2, 1, 1))
    before.set("address", "of the past")
    # The second process comes first, and finds all that it looks for, of the past.
    found: list[object] = []
    second = threading.Thread(target=lambda: found.append(meet(Topology(2, 1, 1), 0.5)))
    second.start()
    second.join(1.0)
    assert second.is_alive(), "the first one has not come"
    first = meet(Topology(2, 0, 0), 0.5)
    second.join()
    assert not first.check(["address"])
    first.set("address", "of now")
    assert found[0].get("address") == b"of now"
    assert kept.check(["bertkit/meeting"])


@pytest.mark.slow
def test_torchrun_starts_the_processes_again(tmp_path):
    """The addresses of the first start are in the store still."""
    program = tmp_path / "fallen.py"
    program.write_text(FALLEN)
    words = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "1",
             "--monitor-interval", "0.1"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *words, str(program)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    ((status, _, stderr),) = ends_of([process])
    assert status == 0, stderr


def test_many_processes_are_counted():
    assert listed([3]) == "3"
    assert listed(list(range(10))) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
