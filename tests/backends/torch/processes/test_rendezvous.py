"""How the processes of a run find each other, and what is said while one is missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from together import free_ports

from bertkit.backends import registry
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes import rendezvous
from bertkit.backends.torch.processes.distributed import start_group
from bertkit.backends.torch.processes.rendezvous import connect, meet, together_or_not
from bertkit.errors import BertkitError, ConfigError

MOMENT = 0.01  # minutes
# Waits for a second process that nobody starts, and tells so at once.
LONE = """
from bertkit.backends import registry
from bertkit.backends.torch.processes import rendezvous
from bertkit.backends.torch.processes.distributed import start_group
rendezvous._TELL_MAIN = rendezvous._TELL_OTHERS = 0.0
registry.get("cpu").start(distributed=True)
"""


@pytest.fixture
def place(monkeypatch):
    """The environment of the first of two processes; the port."""
    (port,) = free_ports(1)
    for name, value in {
        "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    return int(port)


@pytest.fixture
def impatient(monkeypatch):
    """Waiting is told at once."""
    monkeypatch.setattr(rendezvous, "_TELL_MAIN", 0.0)
    monkeypatch.setattr(rendezvous, "_TELL_OTHERS", 0.0)


def test_processes_that_come_later_are_waited_for(place):
    found = {}

    def come(rank):
        time.sleep(rank / 4)
        found[rank] = meet(Topology(3, rank, rank), 1.0)

    others = [threading.Thread(target=come, args=(rank,)) for rank in (2, 1)]
    for other in others:
        other.start()
    found[0] = meet(Topology(3, 0, 0), 1.0)
    for other in others:
        other.join()
    found[2].set("said", "by 2")
    assert found[0].get("said") == found[1].get("said") == b"by 2", "it is one store"


def test_a_store_of_torchrun_is_joined_by_all(place, monkeypatch):
    """Where torchrun keeps one, the first process does not listen."""
    kept = connect(5.0, is_master=True)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    found = []
    other = threading.Thread(target=lambda: found.append(meet(Topology(2, 1, 1), 1.0)))
    other.start()
    meet(Topology(2, 0, 0), 1.0).set("here", "0")
    other.join()
    assert found[0].get("here") == b"0" and kept.num_keys() > 3


@pytest.mark.parametrize(
    ("world", "missing"),
    [(2, "process 1 has not come"), (12, "processes 1, 2, 3, 4, 5, 6, 7, 8 and 3 more have not")],
)
def test_who_does_not_come_is_named(place, impatient, world, missing, caplog):
    with pytest.raises(TimeoutError, match=f"{missing}.* in 0.01 minutes"):
        meet(Topology(world, 0, 0), MOMENT)
    assert f"process 0 of this run waits for the others at 127.0.0.1:{place}" in caplog.text
    assert f"(WORLD_SIZE is {world}): {missing}" in caplog.text


def test_the_first_process_is_waited_for(place, impatient, caplog):
    why = r"process 0 has not come \(connection refused\)"
    with pytest.raises(TimeoutError, match=rf"{why} in 0\.01 minutes"):
        meet(Topology(2, 1, 1), MOMENT)
    assert f"127.0.0.1:{place} (WORLD_SIZE is 2): process 0 has not come" in caplog.text


@pytest.mark.parametrize("rank", [0, 1])
def test_a_name_without_an_address_is_told(place, rank, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "no-such-machine.invalid")
    with pytest.raises(TimeoutError, match=r"no address is known for no-such-machine\.invalid"):
        meet(Topology(2, rank, rank), MOMENT)


def test_an_address_of_another_host_is_told(place, monkeypatch):
    monkeypatch.setattr(rendezvous, "_CONNECT", 0.2)
    monkeypatch.setattr(rendezvous, "_SPARE", 0.0)
    monkeypatch.setenv("MASTER_ADDR", "192.0.2.1")  # of documents, nobody's
    with pytest.raises(RuntimeError, match=r"process 0 is on .*, and 192\.0\.2\.1 is no address"):
        meet(Topology(2, 0, 0), 1.0)


def test_one_that_cannot_connect_ends_all(place, monkeypatch):
    """The others would wait in the library for as long as a step may take."""
    monkeypatch.setattr(rendezvous, "_NOTE", 0.2)
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    monkeypatch.setattr(rendezvous, "_HEARING", 0.3)
    found, kept, endless = {}, [], threading.Event()

    def fail():
        raise RuntimeError("connectFullMesh failed with [/lib/gloo/pair.cc:152] refused")

    def come(rank, connect_all):
        kept.append(meet(Topology(2, rank, rank), 1.0))
        try:
            together_or_not(Topology(2, rank, rank), connect_all)
        except RuntimeError as error:
            found[rank] = str(error)

    ways = [(0, endless.wait), (1, fail)]
    both = [threading.Thread(target=come, args=way) for way in ways]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    endless.set()
    here = socket.gethostname()
    text = f"process 1 (on {here}): connectFullMesh failed with refused ({here} knows itself as "
    assert found[0].startswith(text)
    assert "pair.cc" in found[1], "its own"


def test_a_short_wait_is_not_told(place, caplog):
    other = threading.Timer(0.3, meet, args=(Topology(2, 1, 1), 1.0))
    other.start()
    kept = meet(Topology(2, 0, 0), 1.0)
    other.join()
    assert kept and not caplog.text


def test_another_program_at_the_port_ends_the_run(place, monkeypatch):
    """The main process cannot listen; the others get no answer."""
    monkeypatch.setattr(rendezvous, "_CONNECT", 0.5)
    monkeypatch.setattr(rendezvous, "_SPARE", 0.5)
    with socket.create_server(("127.0.0.1", place)):
        with pytest.raises(BertkitError, match=r"do not find each other.*address already in use"):
            registry.get("cpu").start(distributed=True)
        with pytest.raises(TimeoutError, match="does not answer as the store of a run"):
            meet(Topology(2, 1, 1), 1.0)


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1"])
def test_what_is_no_port_is_refused(place, port, monkeypatch):
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(ConfigError, match=f"MASTER_PORT is {port}"):
        registry.get("cpu").start(distributed=True)


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_processes_that_do_not_know_of_each_other_are_told(name, monkeypatch, caplog):
    """Each would train alone, into the same folder."""
    monkeypatch.setenv(name, "4")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert start_group("gloo", True).topology.world == 1
    assert f"started 4 processes ({name}), and each does all of this by itself" in caplog.text
    caplog.clear()
    monkeypatch.setenv("WORLD_SIZE", "1")  # torchrun, itself a task of srun
    start_group("gloo", True)
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv(name, "1")
    start_group("gloo", True)
    assert not caplog.text


@pytest.mark.slow
def test_a_process_that_waits_can_be_interrupted(place):
    """PyTorch's own rendezvous hears nothing for half an hour."""
    lone = subprocess.Popen(
        [sys.executable, "-c", LONE], stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    try:
        assert "process 1 has not come" in lone.stderr.readline()
        lone.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in lone.communicate(timeout=60)[1]
        assert lone.returncode
    finally:
        lone.kill()
