"""Two processes of one run, for the tests of torch.distributed."""

from __future__ import annotations

import pytest
import torch

from backends.torch.pairs import free_ports, start_pair
from bertkit.backends import registry


@pytest.fixture(scope="session")
def ranks(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    (port,) = free_ports(1)
    processes = start_pair("two_processes.py", str(folder), MASTER_PORT=port)
    ends = [process.communicate(timeout=500)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    return [torch.load(folder / f"rank-{rank}.pt") for rank in range(2)]


@pytest.fixture
def alone():
    """An adapter of the only process."""
    return registry.get("cpu")
