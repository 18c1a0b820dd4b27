"""Files that workers made must be in the folder of the process that lists them."""

from __future__ import annotations

import threading

import pytest

from bertkit.errors import DataError
from bertkit.workers import arrived
from bertkit.workers.engine import Engine

CLUSTER = Engine(executor="dask", scheduler="tcp://scheduler:8786")


def test_a_file_on_the_disk_of_its_worker_is_not_taken_for_made(tmp_path, monkeypatch):
    monkeypatch.setattr(arrived, "_PATIENCE", 0.0)
    (tmp_path / "a").touch()
    CLUSTER.arrived(tmp_path, ["a"])
    with pytest.raises(DataError, match=r"a worker has made .*b, and it is not there") as caught:
        CLUSTER.arrived(tmp_path, ["a", "b"])
    assert "one and the same folder" in caught.value.hint
    Engine().arrived(tmp_path, ["b"])  # of this machine: nothing is looked for


def test_a_file_that_is_seen_later_is_waited_for(tmp_path, monkeypatch):
    """As on network file systems."""
    monkeypatch.setattr(arrived, "_PAUSE", 0.01)
    late = threading.Timer(0.1, (tmp_path / "a").touch)
    late.start()
    CLUSTER.arrived(tmp_path, ["a"])
    assert (tmp_path / "a").exists()
