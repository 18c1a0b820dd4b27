"""Standard output holds results alone, whatever libraries print."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from bertkit.standard_output import one_line, results_alone, write_line

CHATTER = """
import atexit, os, subprocess, sys
from bertkit import cli
import bertkit.commands.schema as command


def loud(function):
    def wrapper(*words, **more):
        print("chatter of Python")
        os.write(1, b"chatter of C\\n")
        subprocess.run([sys.executable, "-c", "print('chatter of a child')"])
        atexit.register(print, "chatter at the end")
        return function(*words, **more)
    return wrapper

command.command.callback = loud(command.command.callback)
sys.argv = ["bertkit", *sys.argv[1:]]
cli.entry_point()
"""
SAID = [f"chatter {end}" for end in ("of Python", "of C", "of a child", "at the end")]


def run(*words, stdout=subprocess.PIPE):
    command = [sys.executable, "-c", CHATTER, *words]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120)


def test_what_libraries_print_goes_to_standard_error():
    done = run("schema", "pretrain")
    assert "properties" in json.loads(done.stdout)
    assert all(text in done.stderr.splitlines() for text in SAID)


def test_help_is_a_result():
    done = run("schema", "--help")
    assert done.stdout.startswith("Usage: bertkit schema") and "Usage" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_results_in_a_pipe_are_not_as_wide_as_the_terminal_of_errors():
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    code = (
        "import shutil, sys; from bertkit.standard_output import divert_descriptor as d; d();"
        " sys.stdout.write(str(shutil.get_terminal_size((80, 24)).columns))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(ours)
    os.close(theirs)
    assert done.stdout == b"80"


def test_a_reader_that_goes_away_leaves_no_traceback():
    command = [sys.executable, "-m", "bertkit", "schema", "pretrain"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_a_full_disk_is_said_once():
    with open("/dev/full", "w") as full:
        done = run("schema", "pretrain", stdout=full)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line not in SAID] == [
        "Error: the disk is full",
        "Hint: free some space, then run the same command again: it keeps finished files",
    ]


def test_within_a_process_the_stream_comes_back():
    own, others = io.StringIO(), sys.stderr
    with redirect_stdout(own):
        with results_alone():
            assert sys.stdout is others
            with results_alone():  # a command that calls another
                write_line("a result")
            write_line("and one more")
        print("afterwards")
    assert own.getvalue() == "a result\nand one more\nafterwards\n"


def test_it_comes_back_after_an_error():
    before = sys.stdout
    with pytest.raises(ValueError), results_alone():
        raise ValueError
    assert sys.stdout is before


END = """
import atexit, gc, sys, types
from bertkit import cli
{before}
freeze, done = gc.freeze, []
gc.freeze = lambda: done.append(freeze())
atexit.register(lambda: sys.stderr.write(f"spared: {{bool(done)}}\\n"))
sys.argv = ["bertkit", "schema", "pretrain"]
cli.entry_point()
"""


@pytest.mark.parametrize(
    ("before", "spared"),
    [("", True), ("sys.modules['triton'] = types.ModuleType('triton')", False)],
)
def test_the_last_search_for_garbage_is_spared_where_nobody_counts_it(before, spared):
    words = [sys.executable, "-c", END.format(before=before)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1] == f"spared: {spared}"


@pytest.mark.skipif(not importlib.util.find_spec("triton"), reason="no Triton here")
def test_triton_says_nothing_at_the_end():
    """From 3.9 on it counts what is left of its objects, and prints it."""
    words = [sys.executable, "-c", END.format(before="import triton.language")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "leaked" not in done.stderr


def test_a_message_is_one_line_whatever_it_quotes():
    assert one_line("a.csv: \n b\r\n\tc\u2028d") == "a.csv: b c d"
    assert one_line("\x1b[2J\x9b1m\0") == r"\x1b[2J\x9b1m\x00"
    assert len(one_line("x" * 100_000)) < 5000
