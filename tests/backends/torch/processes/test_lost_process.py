"""Which process of a run failed, and why: two real processes over gloo."""

from __future__ import annotations

import json
import socket

import pytest
import torch
from together import free_ports

from backends.torch.pairs import start_pair
from backends.torch.processes.failing_processes import PATIENCE
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes import lost_process, rendezvous
from bertkit.backends.torch.processes.lost_process import (
    FailureNotes,
    LostProcessError,
    explain_lost_process,
    is_lost_connection,
)
from bertkit.backends.torch.processes.rendezvous import connect


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """How each attempt ended, per process; process 1 of the last one stands still."""
    folder = tmp_path_factory.mktemp("ends")
    ways = zip(("memory", "data", "bug", "stopped"), free_ports(4), strict=True)
    words = [f"{way}={port}" for way, port in ways]
    main, other = start_pair("processes/failing_processes.py", str(folder), *words)
    try:
        stderr = main.communicate(timeout=500)[1]
    finally:
        other.kill()
        other.communicate()
    assert main.returncode == 0, stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_too_little_memory_is_named_where_it_is_and_the_others_know(ends):
    main, other = ends
    assert other["memory"]["message"] == (
        "out of memory on the device (tried to allocate 2.00 gib)"
    )
    assert "--micro-batch-size" in other["memory"]["hint"]
    assert "--recompute" in other["memory"]["hint"]
    assert main["memory"]["kind"] == "LostProcessError"
    assert "process 1 (on " in main["memory"]["message"]
    assert "failed: out of memory on the device" in main["memory"]["message"]


@pytest.mark.slow
def test_all_end_with_the_status_of_the_one_that_failed(ends):
    main, other = (each["data"] for each in ends)
    assert main["kind"] == "LostProcessError" and "failed: no such file: x" in main["message"]
    assert main["code"] == other["code"] == 3
    assert "again" not in main["hint"], "that would end alike"
    assert ends[0]["memory"]["code"] == 1 and "again" in ends[0]["memory"]["hint"]


@pytest.mark.slow
def test_an_error_of_the_process_that_keeps_the_store_reaches_the_others(ends):
    main, other = ends
    assert main["bug"]["kind"] == "RuntimeError", "an error of its own is not a lost process"
    assert main["bug"]["message"] == "mat1 and mat2 shapes cannot be multiplied"
    assert "process 0 (on " in other["bug"]["message"]
    assert "failed: RuntimeError: mat1 and mat2 shapes" in other["bug"]["message"]


@pytest.mark.slow
def test_a_process_that_stands_still_is_named_after_the_timeout(ends):
    message = ends[0]["stopped"]["message"]
    here = socket.gethostname()
    assert f"process 1 (on {here}) of this run has not answered for {PATIENCE} minutes" in message


@pytest.mark.slow
def test_the_process_that_keeps_the_store_may_stand_still(tmp_path):
    """No call of the store is answered then; the other process waited in one for ever."""
    (port,) = free_ports(1)
    main, other = start_pair(
        "processes/failing_processes.py", str(tmp_path), f"stopped-main={port}"
    )
    try:
        stderr = other.communicate(timeout=300)[1]
    finally:
        for process in (main, other):
            process.kill()
            process.communicate()
    assert other.returncode == 0, stderr
    message = json.loads((tmp_path / "1.json").read_text())["stopped-main"]["message"]
    here = socket.gethostname()
    assert f"process 0 (on {here}) of this run has not answered for {PATIENCE} minutes" in message
    assert "/" not in message, "no places in the library's source"


def test_a_process_that_waits_still_is_not_taken_for_dead(monkeypatch):
    """Of four processes the last one died, and the first one does not know it yet."""
    (port,) = free_ports(1)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", port)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr(lost_process, "_ROLL_CALL", 1.0)
    monkeypatch.setattr(rendezvous, "_hosts", ["node1", "node1", "node2", "node2"])
    kept = connect(5.0, is_master=True)
    notes = [FailureNotes(Topology(4, rank, rank), 7.0) for rank in range(3)]
    dead = "process 3 (on node2) of this run has died without a message (killed?)"
    assert notes[1].reason(None) == notes[2].reason(None) == dead
    # After a timeout those are named that did not come to wait, alive or not.
    text = notes[1].reason(420.0)
    assert text == "processes 0, 3 (on node1, node2) of this run have not answered for 7 minutes"
    for item in notes:
        item.close()
    assert kept.num_keys()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error "
                      "[127.0.0.1]:1: Connection reset by peer"), True),
        (RuntimeError("Application timeout caused pair closure"), True),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("gloo"), False),
    ],
)  # fmt: skip
def test_only_lost_connections_are_lost_processes(error, lost):
    assert is_lost_connection(error) == lost
    with pytest.raises(LostProcessError if lost else type(error)), explain_lost_process():
        raise error
