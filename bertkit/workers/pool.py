"""Runs independent tasks in a pool of processes or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from bertkit import log
from bertkit.errors import BertkitError, UsageError
from bertkit.optional import require, take_process
from bertkit.system.processes import MOST_WORKERS, core_count
from bertkit.workers.spawned import UNGUARDED, leave_if_importing

EXECUTORS = ("processes", "dask")
_CONNECT_SECONDS = 15  # how long to wait for a Dask scheduler
_CLOSE_SECONDS = 5
_LOOK_SECONDS = 2  # how often the workers of a cluster are counted
_KILLED = 9  # SIGKILL, which Windows has no name for

T = TypeVar("T")
R = TypeVar("R")


def worker_count(workers: int, tasks: int) -> int:
    """Number of processes: `workers`, or one per core for 0; never more than tasks."""
    return max(1, min(workers or core_count(), tasks, MOST_WORKERS))


def run_tasks(
    function: Callable[[T], R],
    tasks: Sequence[T],
    workers: int = 0,
    executor: str = "processes",
    scheduler: str = "",
    prepare: Callable[[], object] | None = None,
) -> Iterator[R]:
    """Apply a function to every task and yield the results in the order of completion.

    With one worker or one task everything runs in this process. Otherwise the function and
    the tasks are sent to other processes, so both must be picklable.

    Args:
        function: defined in a module that every worker can import.
        tasks: its arguments.
        workers: processes on this machine; 0 for one per core.
        executor: `processes`, or `dask` for the workers of a cluster, which must see the
            same files under the same names.
        scheduler: address of the cluster, such as tcp://host:8786.
        prepare: loads what every task needs. If this process can be forked, it is called
            here, once, and the workers share what it loaded. Otherwise the workers are
            spawned and load it themselves.

    Raises:
        BertkitError: raised by a task; or a worker was killed from outside (on a cluster,
            after other workers were tried), or no cluster answers.
        UsageError: dask without a scheduler, or a scheduler without dask.
        MissingDependencyError: Dask is not installed.
    """
    check_executor(executor, scheduler)
    if executor == "dask":
        yield from _on_cluster(function, tasks, scheduler)
        return
    count = worker_count(workers, len(tasks))
    if count == 1:
        yield from map(function, tasks)
        return
    forked = False
    if prepare is not None and _can_be_forked():
        prepare()
        forked = _can_be_forked()  # loading may have started threads
    with _processes(count, forked) as pool:
        yield from _as_they_finish(pool, function, tasks, 2 * count)


def map_in_order(function: Callable[[T], R], tasks: Iterable[T], workers: int = 0) -> Iterator[R]:
    """Apply a function to tasks that are made one by one; results in the order of the tasks.

    This process makes the tasks while the workers work, at most two per worker ahead, which
    bounds the memory for tasks and results. With one worker everything runs in this process.
    Function, tasks and errors are as in `run_tasks`; an error of the iterable is raised after
    the results of the tasks before it.

    Args:
        function: defined in a module that every worker can import.
        tasks: its arguments, any number.
        workers: processes on this machine; 0 for one per core.
    """
    count = min(workers or core_count(), MOST_WORKERS)
    if count == 1:
        yield from map(function, tasks)
        return
    waiting: deque[Future[R]] = deque()
    with _processes(count) as pool:
        failure: list[Exception] = []
        for task in _until_error(tasks, failure):
            waiting.append(pool.submit(function, task))
            if len(waiting) >= 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failure:
            raise failure[0]


def _until_error(tasks: Iterable[T], failure: list[Exception]) -> Iterator[T]:
    """The tasks up to an error of the iterable, which is appended to `failure`."""
    try:
        yield from tasks
    except Exception as error:
        failure.append(error)


@contextlib.contextmanager
def _processes(count: int, forked: bool = False) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that end with the block; after an error their work is dropped."""
    leave_if_importing()
    context = multiprocessing.get_context("fork" if forked else "spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    except BrokenProcessPool as error:
        ended = list((getattr(pool, "_processes", None) or {}).values())
        raise _broken(_statuses(ended)) from error
    except BaseException:
        # The running tasks' results are dropped anyway: do not wait for them.
        _stop_at_once(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _statuses(processes: Sequence[BaseProcess], seconds: float = 5.0) -> list[int | None]:
    """The exit statuses of processes that are ending; None of one that does not in this time.

    The pool's own thread collects them too: a status that it has taken from the system and not
    yet written down cannot be seen for a moment.
    """
    until = time.monotonic() + seconds
    while (
        None in (found := [process.exitcode for process in processes]) and time.monotonic() < until
    ):
        time.sleep(0.01)
    return found


def _broken(statuses: Sequence[int | None]) -> BertkitError:
    """The error for a pool that broke, by the exit statuses of its processes.

    None is a process that has not ended yet; the pool itself sends SIGTERM to the others.
    """
    ended = [status for status in statuses if status is not None]
    if UNGUARDED in ended:
        return BertkitError(
            'the script that calls bertkit has no `if __name__ == "__main__":`, and every worker'
            " process imports it",
            'put its calls under `if __name__ == "__main__":`, or give workers=1',
        )
    if failed := [status for status in ended if status > 0]:
        return BertkitError(
            f"a worker process ended by itself, with status {failed[0]}: what it imports fails, or"
            " ends it",
            'what it printed tells why; a script needs `if __name__ == "__main__":` around its'
            " calls",
        )
    crashes = [status for status in ended if -status not in (signal.SIGTERM, _KILLED)]
    if crashes:
        return BertkitError(
            f"a worker process crashed ({signal.Signals(-crashes[0]).name})",
            "run the same command with --workers 1 to see where; finished parts are kept",
        )
    if ended and -_KILLED not in ended:
        return BertkitError(
            "a worker process was ended by SIGTERM, from outside",
            "run the same command again; finished parts are kept",
        )
    return BertkitError(
        "a worker process was killed, most likely because memory ran out",
        "run the same command with fewer --workers; finished parts are kept",
    )


def _stop_at_once(pool: ProcessPoolExecutor) -> None:
    """End the workers in the middle of their tasks.

    Python has no public way to do it before 3.14. Where a later release keeps its processes
    elsewhere, the running tasks are waited for, and nothing else changes.
    """
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    # A worker may have died in the middle of sending a result. The pool then waits for the
    # rest until the last writing end of the pipe is closed, and this process has one.
    writer = getattr(getattr(pool, "_result_queue", None), "_writer", None)
    if writer is not None:
        writer.close()


def _can_be_forked() -> bool:
    """Whether forking is safe: no other thread can hold a lock that the child would need."""
    if sys.platform != "linux" or "torch" in sys.modules:
        return False
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    # tqdm's monitor thread only holds locks of progress bars, and workers draw none.
    return all(type(thread).__module__.startswith("tqdm.") for thread in others)


def check_executor(executor: str, scheduler: str) -> None:
    """Check that --executor dask and --scheduler are given together.

    Raises:
        UsageError: only one of them is given, or there is no such executor.
    """
    if executor not in EXECUTORS:
        raise UsageError(f"no executor {executor!r}", f"choose {' or '.join(EXECUTORS)}")
    if (executor == "dask") != bool(scheduler):
        raise UsageError(
            "--executor dask and --scheduler must be given together",
            "example: --scheduler tcp://host:8786",
        )


def _on_cluster(function: Callable[[T], R], tasks: Sequence[T], scheduler: str) -> Iterator[R]:
    distributed = require("distributed", "--executor dask", extra="dask")
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BertkitError(
            f"no Dask scheduler at {scheduler}: {error}",
            "start one with `dask scheduler`, and workers with `dask worker`",
        ) from error
    waiting = iter(tasks)
    with _client_of(client, scheduler):
        ahead = 2 * max(1, sum(client.nthreads().values()))
        # Not pure: Dask must not reuse a result whose file may have been deleted since.
        first = [client.submit(function, task, pure=False) for task in islice(waiting, ahead)]
        running = distributed.as_completed(first, loop=client.loop)
        try:
            for future in running:
                yield future.result()
                for task in islice(waiting, 1):
                    running.add(client.submit(function, task, pure=False))
        finally:
            if client.scheduler is not None and client.status == "running":
                client.cancel(list(running.futures), force=True)


@contextlib.contextmanager
def _client_of(client: Any, scheduler: str) -> Iterator[None]:
    """Close a client with the block, and say what happened to the cluster."""
    import distributed

    ended = threading.Event()
    threading.Thread(target=_watch_workers, args=(client.nthreads, ended), daemon=True).start()
    lost = (distributed.client.FutureCancelledError, distributed.comm.core.CommClosedError)
    try:
        yield
    except distributed.scheduler.KilledWorker as error:
        raise BertkitError(
            f"several workers in a row were killed while working on the same task ({error})",
            "give them more memory, or fewer threads; finished parts are kept",
        ) from error
    except lost as error:
        raise BertkitError(
            f"the connection to the Dask scheduler at {scheduler} was lost",
            "start the cluster and run the same command again: finished parts are kept",
        ) from error
    finally:
        ended.set()
        with contextlib.suppress(*lost, OSError, TimeoutError):
            client.close(timeout=_CLOSE_SECONDS)


def _watch_workers(
    workers: Callable[[], Iterable[str]], ended: threading.Event, seconds: float = _LOOK_SECONDS
) -> None:
    """Say in the log which workers of a cluster are gone, and when none is left.

    Args:
        workers: gives the addresses of those that are there.
        ended: set when the work is done.
        seconds: between two looks.
    """
    with contextlib.suppress(Exception):  # the cluster is gone, which others say
        known = set(workers())
        if not known:
            log.logger.warning("the cluster has no workers yet: start some with `dask worker`")
        while not ended.wait(seconds):
            now = set(workers())
            if gone := sorted(known - now):
                log.logger.warning(
                    "the cluster lost %s (%s): their tasks are done again elsewhere",
                    log.counted(len(gone), "worker"),
                    ", ".join(gone[:3]),
                )
                if not now:
                    log.logger.warning(
                        "no worker is left on the cluster: waiting; start some with `dask worker`"
                    )
            known = now


def _as_they_finish(
    pool: ProcessPoolExecutor, function: Callable[[T], R], tasks: Sequence[T], ahead: int
) -> Iterator[R]:
    # Only a few tasks are queued ahead, so that an error stops the run soon.
    waiting = iter(tasks)
    running: set[Future[R]] = set()
    while True:
        for task in waiting:
            running.add(pool.submit(function, task))
            if len(running) >= ahead:
                break
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _start_worker() -> None:
    take_process()
    # Ctrl-C reaches all processes of the terminal; only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the handler inherited by fork
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # If the parent is killed, nothing tells the workers, which would wait for tasks forever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
