"""Writes results to standard output, whatever characters it can show, and keeps others off it.

Libraries print what they like: trackio when it starts and ends, NCCL with NCCL_DEBUG set.
Programs that read results must find nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

_LINE_END = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST = 4000
# Where results go while what others print goes to standard error.
_results: TextIO | None = None


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """While it lasts, what anybody prints goes to standard error, but for `write_line`."""
    global _results
    if _results is not None or sys.stdout is None:
        yield
        return
    _results = before = sys.stdout
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        _results, sys.stdout = None, before


def divert_descriptor() -> None:
    """Send what libraries of C and child processes print to standard error, too.

    For the rest of the process: its descriptor 1 becomes that of standard error, and
    `sys.stdout` writes to another one, which children do not inherit.
    """
    try:
        own = sys.stdout
        own.flush()
        kept = os.dup(own.fileno())
        os.dup2(sys.stderr.fileno(), own.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or no file
        return
    stream = open(  # noqa: SIM115
        kept, "w", encoding=own.encoding, errors=own.errors, newline="", closefd=False
    )
    # Also the one that is asked for the width of the terminal.
    sys.stdout = sys.__stdout__ = stream  # type: ignore[misc]


def takes_unicode() -> bool:
    """Whether standard output is UTF-8; elsewhere JSON escapes what is not ASCII."""
    return _encoding().lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def write_line(text: str) -> None:
    """Write a line to standard output; characters that it cannot show become escapes."""
    stream = _stream()
    if stream is None:  # closed by the caller
        return
    if not takes_unicode():
        text = text.replace("\u2500", "-")  # the line of tables
    stream.write(displayable(text, _encoding()) + "\n")
    stream.flush()


def one_line(text: str) -> str:
    """A message, which may quote what a file holds, as one line that does nothing to a terminal.

    Line ends become spaces, other control characters escapes; of a very long text the middle is
    left out.
    """
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]} [...] {text[-half:]}"
    return escaped(_LINE_END.sub(" ", text))


def escaped(text: str) -> str:
    """A text without control characters but line ends and tabs: files hold those of terminals."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def displayable(text: str, encoding: str = "utf-8") -> str:
    """Text with escapes for what an encoding cannot show.

    Names of files that are not UTF-8 hold lone surrogates, which UTF-8 cannot show either.
    """
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding() -> str:
    """Of standard output; a stream in memory has none, and takes every character."""
    return getattr(_stream(), "encoding", None) or "utf-8"


def _stream() -> TextIO | None:
    return _results or sys.stdout
