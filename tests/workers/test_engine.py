import time
from pathlib import Path

import pytest

from bertkit.errors import UsageError
from bertkit.workers.engine import Engine


def late(number):
    time.sleep(0.05 * (number == 0))
    return number * number


def test_results_come_in_the_order_of_the_tasks(tmp_path):
    assert list(Engine(workers=2).in_order(late, range(7))) == [n * n for n in range(7)]
    assert list(Engine().in_order(late, [3, 1])) == [9, 1]
    assert sorted(Engine(workers=2).run(late, range(5), "squares")) == [0, 1, 4, 9, 16]


def test_little_is_read_by_this_process_alone():
    assert Engine(workers=8).for_bytes(1000).workers == 1
    assert Engine(workers=8).for_bytes(1 << 40).workers == 8
    dask = Engine(executor="dask", scheduler="tcp://host:1")
    assert dask.for_bytes(1000) == dask


def test_paths_hold_where_the_tasks_run():
    dask = Engine(executor="dask", scheduler="tcp://host:1")
    assert Engine().path("a/b") == "a/b"
    assert dask.path("a/b") == str(Path.cwd() / "a/b")
    assert dask.path("s3://a/b") == "s3://a/b"


def test_dask_needs_its_scheduler():
    with pytest.raises(UsageError, match="given together"):
        Engine(executor="dask")
