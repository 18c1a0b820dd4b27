"""A process that waits in a library hears Ctrl-C, and a second wish to stop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from bertkit.system.unheard_signals import UnheardSignals

# The main thread waits in C, whatever signals come; `{before}` may start threads or processes.
DEAF = """
import ctypes, os, signal, sys, threading, time
from bertkit.system import unheard_signals
from bertkit.system.unheard_signals import UnheardSignals, remembered
unheard_signals._PATIENCE = 0.2
unheard_signals.SAME_WISH = 0.1
watch = UnheardSignals(lambda why: sys.stderr.write(f"told: {{why}}\\n"))
def remember(number, frame): pass
signal.signal(signal.SIGTERM, remember)
signal.signal(signal.SIGUSR1, remember)
remembered.add(signal.SIGTERM)
watch.start()
{before}
# Locked twice: it waits for itself, and returns for no signal.
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
libc.pthread_mutex_lock(mutex)
threading.Timer(0.3, os.write, (2, b"deaf\\n")).start()
libc.pthread_mutex_lock(mutex)
"""
LEFT_TO_PARENT = """
child = os.fork()
if child == 0:
    signal.raise_signal(signal.SIGTERM)
    time.sleep(0.2)
    signal.raise_signal(signal.SIGTERM)
    os._exit(0)
os.waitpid(child, 0)
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")


@pytest.fixture
def deaf():
    """Starts a process that waits in C; kills what is left of it."""
    started = []

    def start(before=""):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", DEAF.format(before=before)],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stderr.readline() == "deaf\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_a_wait_in_a_library(deaf):
    process = deaf()
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert stderr == "\nInterrupted.\ntold: interrupted (Ctrl-C)\n"


def test_a_second_wish_to_stop_ends_it_and_a_first_one_does_not(deaf):
    process = deaf()
    for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM):
        # SIGUSR1 is not among those that end a process when they come again.
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "told: stopped by a second SIGTERM" in stderr


def test_what_its_threads_write_is_written_first(deaf, tmp_path):
    """A checkpoint that is being saved in the background."""
    place = tmp_path / "saved"
    process = deaf(
        f"def save(): time.sleep(1.0); open({str(place)!r}, 'w').close()\n"
        "threading.Thread(target=save).start()"
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130 and place.exists()


def test_who_asks_again_does_not_wait_for_that(deaf):
    process = deaf("threading.Thread(target=time.sleep, args=(500,)).start()")
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "\n"  # it has begun to end
    process.stderr.readline()
    assert process.stderr.readline() == "told: interrupted (Ctrl-C)\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_signals_of_a_fork_are_not_those_of_its_parent(deaf):
    process = deaf(LEFT_TO_PARENT)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)


def test_who_hears_is_interrupted_as_always():
    watch = UnheardSignals()
    before = signal.getsignal(signal.SIGINT)
    watch.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        watch.stop()
    assert signal.getsignal(signal.SIGINT) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_others_who_watch_and_other_threads_are_left_alone():
    async def inside():
        watch = UnheardSignals()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)
        watch.start()
        descriptor = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(descriptor)
        watch.stop()
        return descriptor

    assert asyncio.run(inside()) != -1
    watch = UnheardSignals()
    thread = threading.Thread(target=watch.start)
    thread.start()
    thread.join()
    assert signal.set_wakeup_fd(-1) == -1
    watch.stop()
