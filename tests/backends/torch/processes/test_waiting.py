"""A process that waits for another one in PyTorch is not deaf: two real processes over gloo."""

from __future__ import annotations

import signal

import pytest
from together import free_ports

from backends.torch.pairs import start_pair

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["start", "gather", "backward"])
def test_ctrl_c_ends_the_wait_and_the_other_process_learns_of_it(place):
    (port,) = free_ports(1)
    main, other = start_pair("processes/waiting_processes.py", place, MASTER_PORT=port)
    try:
        assert other.stderr.readline() == "sleeps\n"
        main.send_signal(signal.SIGINT)
        assert "Interrupted." in main.communicate(timeout=120)[1]
        assert main.returncode == 130
        assert other.poll() is None, "it sleeps, and the main process did not wait for it"
    finally:
        for process in (main, other):
            process.kill()
            process.communicate()
