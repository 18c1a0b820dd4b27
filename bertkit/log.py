"""Writes log lines and progress bars to stderr, and formats tables as text.

Standard output is for results; nothing here writes to it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from bertkit.standard_output import displayable

T = TypeVar("T")

logger = logging.getLogger("bertkit")

# Of this process in the process group that it has joined, see `set_rank`.
_rank = 0


def setup(verbosity: int = 0) -> None:
    """Send log lines to stderr.

    Args:
        verbosity: -1 for warnings only, 0 for information, 1 and more for debugging.
    """
    level = logging.WARNING if verbosity < 0 else logging.INFO if verbosity == 0 else logging.DEBUG
    handler = _Stderr()
    handler.setFormatter(_Formatter())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)


def reset() -> None:
    """Undo `setup`: warnings alone are told, in the way that the importing program chose."""
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def set_rank(number: int) -> None:
    """Say that this process has joined a process group; of a group, only rank 0 prints.

    A RANK in the environment says nothing of commands that join none.
    """
    global _rank
    _rank = number


def rank() -> int:
    """The rank of this process in the process group that it has joined; 0 without one."""
    return _rank


class _Stderr(logging.Handler):
    """Writes to the current `sys.stderr`, also after it was replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            stream = sys.stderr
            if stream is None:  # closed by the caller
                return
            # Not every stream that stands for stderr shows names that are not UTF-8.
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(displayable(self.format(record), encoding) + "\n")
            stream.flush()
        except Exception:
            self.handleError(record)


class _Formatter(logging.Formatter):
    """Adds the level in front of every message that is not plain information."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno == logging.INFO else f"{record.levelname.lower()}: {text}"


def bars_wanted() -> bool:
    """True if progress bars are to be shown: on a terminal, in rank 0, without `-q`."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None where it was closed
    return _rank == 0 and terminal and logger.getEffectiveLevel() <= logging.INFO


def progress(
    items: Iterable[T] | None = None,
    *,
    total: int | None = None,
    unit: str = "it",
    description: str = "",
    scale: bool = False,
) -> Any:
    """A tqdm progress bar on stderr, shown only where `bars_wanted`.

    Args:
        items: what to iterate over; None for a bar that `update(n)` moves.
        total: number of steps, if it is known.
        unit: name of one step.
        description: text before the bar.
        scale: abbreviate large counts, such as 1.2M.
    """
    from tqdm import tqdm

    return tqdm(
        items,
        total=total,
        unit=unit,
        desc=description or None,
        unit_scale=scale,
        disable=not bars_wanted(),
        file=sys.stderr,
        dynamic_ncols=True,
        leave=False,
    )


def counted(number: int, what: str) -> str:
    """A number with its noun: 1 file, 2,000 files."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shown(value: object) -> str:
    """A plain value of a manifest or a plan as people write it, without quotes and brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_inner, value)) or "-"
    return str(value)


def _inner(value: object) -> str:
    nested = isinstance(value, (dict, list, tuple)) and len(value) > 0
    return f"({shown(value)})" if nested else shown(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Rows as an aligned text table, with numbers right-aligned.

    Args:
        columns: headings.
        rows: their cells; `shown` turns each into text.
        title: a line above the table; may be empty.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    body = [[shown(cell) for cell in row] for row in rows]
    view = Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for index, name in enumerate(columns):
        numeric = bool(body) and all(_is_number(row[index]) for row in body)
        view.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        view.add_row(*[cell.replace("[", r"\[") for cell in row])
    terminal = sys.stdout is not None and sys.stdout.isatty()  # None where it was closed
    width = None if terminal else 200
    console = Console(width=width, no_color=True, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(view)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("%", "").strip().lstrip("-").isdigit()
