"""Reads texts that are words of the command line, or stand in files or on standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bertkit.storage import files

_STANDARD_INPUT = ("-", "@-")


def read_typed(words: Mapping[str, str], literal: tuple[str, ...] = ()) -> dict[str, str]:
    """The texts that options were given: `@FILE` is what a file holds, `-` standard input.

    Args:
        words: by name of their options.
        literal: options whose words are taken as they are.

    Raises:
        UsageError: two are to be read from one stream, which ends with the first.
        BertkitError: a file cannot be read.
    """
    readers: dict[tuple[int, int], str] = {}
    for name, word in words.items():
        stream = None if name in literal else _stream(word)
        if stream is not None and stream in readers:
            raise click.UsageError(
                f"--{readers[stream]} and --{name} are both to be read from one stream, which ends"
                " with the first: put one of them in a file, and give that as @FILE"
            )
        if stream is not None:
            readers[stream] = name
    return {n: _utf8(word) if n in literal else _read(word) for n, word in words.items()}


def standard_lines(wanted: str) -> list[str]:
    """The lines of standard input, see `standard_input`."""
    return standard_input(wanted).split("\n")


def standard_input(wanted: str = "") -> str:
    """All of standard input.

    Args:
        wanted: what else could be given; somebody at a terminal is asked for it.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin is None:  # the program was started without one
        raise click.UsageError("standard input is closed, and there is nothing else to read")
    if wanted and sys.stdin.isatty():
        raise click.UsageError(f"give {wanted}, or JSON lines on standard input")
    return sys.stdin.buffer.read().decode("utf-8-sig", "replace")


def _stream(word: str) -> tuple[int, int] | None:
    """What tells the pipe or the device that a text is read from; None for words and files."""
    try:
        if word in _STANDARD_INPUT:
            found = os.fstat(sys.stdin.fileno())
            return found.st_dev, found.st_ino
        if word.startswith("@"):
            found = Path(word[1:]).stat()
            return None if stat.S_ISREG(found.st_mode) else (found.st_dev, found.st_ino)
    # Reading says what is wrong with a file; not all that is put for standard input has a number.
    except (OSError, ValueError, AttributeError):
        return (-1, -1) if word in _STANDARD_INPUT else None
    return None


def _read(word: str) -> str:
    if word in _STANDARD_INPUT:
        return standard_input()
    if word.startswith("@"):
        with files.open_binary(word[1:]) as stream:
            return stream.read().decode("utf-8-sig", "replace")
    return _utf8(word)


def _utf8(word: str) -> str:
    """A word of the command line as UTF-8, whatever the locale made of its bytes."""
    return os.fsencode(word).decode("utf-8", "replace") if not files.is_utf8(word) else word
