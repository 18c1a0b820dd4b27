"""The table of record styles; a new style is one file here and one line in `TABLE`.

A style's file holds its class (`style.RecordStyle` says what it must tell) and the object in
the table. Styles of other packages are added with `register`.

    style      what a style is
    google     Google's and MLPerf's sentence pairs
    nvidia     the same in HDF5, also Habana's
    hf         the same as JSON lines
    cerebras   Cerebras' order of files, and its windows of running text
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from bertkit.records.styles.cerebras import CEREBRAS
from bertkit.records.styles.google import GOOGLE, MLPERF
from bertkit.records.styles.hf import HF
from bertkit.records.styles.nvidia import NVIDIA
from bertkit.records.styles.style import RecordStyle

__all__ = [
    "CEREBRAS",
    "CHOICES",
    "GOOGLE",
    "HF",
    "MLPERF",
    "NVIDIA",
    "TABLE",
    "RecordStyle",
    "help_text",
    "register",
    "register_missing",
    "registered",
    "style_named",
]

# In the order of the help.
TABLE: list[RecordStyle] = [GOOGLE, MLPERF, CEREBRAS, NVIDIA, HF]
# The words for `--style`; grows with the table.
CHOICES: list[str] = [style.name for style in TABLE]
_BUILT_IN = len(TABLE)


def register(style: RecordStyle) -> contextlib.ExitStack:
    """Add a style from outside of the package, for `--style`.

    `--help` lists it if this is called before the command is loaded.

    Returns:
        A context that removes the style at its end; without `with` the style stays.

    Raises:
        ValueError: the name is taken.
    """
    if style.name in CHOICES:
        raise ValueError(f"there is a record style {style.name!r} already")
    TABLE.append(style)
    CHOICES.append(style.name)
    undo = contextlib.ExitStack()
    undo.callback(CHOICES.remove, style.name)
    undo.callback(TABLE.remove, style)
    return undo


def registered() -> tuple[RecordStyle, ...]:
    """The styles that were added from outside."""
    return tuple(TABLE[_BUILT_IN:])


def register_missing(styles: Iterable[RecordStyle]) -> None:
    """Add those styles that this process, such as a worker, does not know yet."""
    for style in styles:
        if style.name not in CHOICES:
            register(style)


def style_named(name: str) -> RecordStyle:
    """The style of a name.

    Raises:
        KeyError: there is none.
    """
    return {style.name: style for style in TABLE}[name]


def help_text() -> str:
    """The help of `--style`: every style with whose records it makes."""
    styles = (style.name + (f" ({style.help})" if style.help else "") for style in TABLE)
    return f"Whose records: {'; '.join(styles)}."
