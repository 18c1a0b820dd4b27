"""Writes results to standard output, whatever characters it can show."""

from __future__ import annotations

import sys


def takes_unicode() -> bool:
    """Whether standard output is UTF-8; elsewhere JSON escapes what is not ASCII."""
    return _encoding().lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def write_line(text: str) -> None:
    """Write a line to standard output; characters that it cannot show become escapes."""
    if sys.stdout is None:  # closed by the caller
        return
    if not takes_unicode():
        text = text.replace("\u2500", "-")  # the line of tables
    sys.stdout.write(displayable(text, _encoding()) + "\n")
    sys.stdout.flush()


def displayable(text: str, encoding: str = "utf-8") -> str:
    """Text with escapes for what an encoding cannot show.

    Names of files that are not UTF-8 hold lone surrogates, which UTF-8 cannot show either.
    """
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding() -> str:
    """Of standard output; a stream in memory has none, and takes every character."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"
