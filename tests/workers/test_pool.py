"""Processes that work on independent parts, and end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bertkit.errors import BertkitError, DataError
from bertkit.workers.pool import _stop_at_once, map_in_order, run_tasks, worker_count

PROGRAM = """
import os, signal, sys
from bertkit.workers.pool import run_tasks
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from pool_task import tell
    for process in run_tasks(tell, [1, 2, 3, 4], 2):
        print(process, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)  # while the pool is at work
"""
TASK = """
import os, time

def tell(number):
    time.sleep(0.2)
    return os.getpid()
"""


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as stream:
        return stream.read().split()[2] != "Z"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes through /proc")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_workers_end_when_their_parent_is_killed(tmp_path, name):
    (tmp_path / "pool_task.py").write_text(TASK)
    (tmp_path / "program.py").write_text(PROGRAM.replace("SIGKILL", name))
    started = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    output, _ = started.communicate(timeout=600)
    assert started.returncode == -getattr(signal, name)
    worker = int(output.split()[0])
    deadline = time.monotonic() + 200
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)


loaded: list[int] = []


def what_is_loaded(number: int) -> list[int]:
    return [*loaded, os.getppid()]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_workers_share_what_was_prepared(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "loaded", [])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    # Servers of other tests may have left a thread that waits.
    main = threading.main_thread()
    monkeypatch.setattr(threading, "enumerate", lambda: [main])
    found = list(
        run_tasks(what_is_loaded, [1, 2, 3], 2, prepare=lambda: loaded.append(os.getpid()))
    )
    assert found == [[os.getpid(), os.getpid()]] * 3


def test_a_process_with_other_threads_is_not_forked(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "loaded", [])
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        found = list(run_tasks(square, [1, 2, 3], 2, prepare=lambda: loaded.append(1)))
    finally:
        done.set()
        thread.join()
    assert sorted(found) == [1, 4, 9]
    assert loaded == []


def is_ended_by_default(number: int) -> bool:
    return signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_forked_worker_is_ended_without_its_parents_handler(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        assert all(run_tasks(is_ended_by_default, [0, 1], 2, prepare=bool))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_results_do_not_depend_on_the_number_of_processes():
    assert sorted(run_tasks(abs, [-1, 2, -3], 2)) == list(run_tasks(abs, [-1, 2, -3], 1))


def square(number: int) -> int:
    return number * number


def stop_at_three(number: int) -> int:
    if number == 3:
        raise DataError("three", "a hint")
    time.sleep(0.01)
    return number


def die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process(number: int) -> int:
    return os.getpid()


def test_worker_count():
    assert worker_count(8, 3) == 3
    assert worker_count(2, 100) == 2
    assert worker_count(0, 100) >= 1
    assert worker_count(1, 0) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_all_results_come(workers):
    assert sorted(run_tasks(square, list(range(20)), workers)) == [n * n for n in range(20)]
    assert list(run_tasks(square, [], workers)) == []


def test_one_worker_is_this_process():
    assert set(run_tasks(process, [1, 2], 1)) == {os.getpid()}


def test_errors_keep_message_hint_and_status():
    with pytest.raises(DataError, match="three") as caught:
        list(run_tasks(stop_at_three, list(range(50)), 2))
    assert caught.value.hint == "a hint"
    assert caught.value.exit_code == 3


LARGE = """
import sys, time
from bertkit.workers.pool import map_in_order
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from large_task import large
    for delay in range(8):
        results = map_in_order(large, range(8), 2)
        next(results)
        time.sleep(0.02 * delay)
        results.close()
        print("closed", flush=True)
"""
LARGE_TASK = """
def large(number):
    return bytes(100_000_000)
"""


@pytest.mark.slow
def test_a_pool_ends_while_large_results_come(tmp_path):
    """A worker that is ended in the middle of a result must not leave the pool waiting."""
    (tmp_path / "large_task.py").write_text(LARGE_TASK)
    (tmp_path / "program.py").write_text(LARGE)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path)], capture_output=True,
        text=True, timeout=600, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.split() == ["closed"] * 8


def test_killed_worker_is_one_clear_error():
    with pytest.raises(BertkitError, match="worker process was killed") as caught:
        list(run_tasks(die, [0, 1, 2], 2))
    assert "--workers" in caught.value.hint


def late_zero(number: int) -> int:
    if number == 0:
        time.sleep(0.05)
    return number


@pytest.mark.parametrize("workers", [1, 3])
def test_tasks_made_one_by_one_give_results_in_their_order(workers):
    assert list(map_in_order(late_zero, iter(range(40)), workers)) == list(range(40))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_tasks_are_made_than_the_bound_and_an_early_end_makes_no_more(workers):
    made: list[int] = []
    results = map_in_order(abs, (made.append(i) or i for i in range(1000)), workers)
    assert next(results) == 0
    assert len(made) <= 2 * workers
    results.close()
    assert len(made) <= 2 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_the_iterable_comes_after_the_results_before_it(workers):
    def broken():
        yield from range(3)
        raise DataError("cut off", "a hint")

    results = map_in_order(abs, broken(), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="cut off"):
        next(results)


def test_error_of_a_task_that_was_made_in_another_process():
    with pytest.raises(DataError, match="three"):
        list(map_in_order(stop_at_three, range(10), 2))
    with pytest.raises(BertkitError, match="worker process was killed"):
        list(map_in_order(die, range(3), 2))


def test_another_python_may_keep_its_processes_elsewhere():
    """Their attributes are private: without them the caller's own error must not be lost."""
    _stop_at_once(ThreadPoolExecutor(1))  # type: ignore[arg-type]
