"""Writes log lines and progress bars to stderr, and formats tables as text.

Standard output is for results; nothing here writes to it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from bertkit.screen import bars
from bertkit.screen.tables import shown, table, width, wrapped
from bertkit.standard_output import displayable, escaped

__all__ = [
    "bars_wanted", "close_bars", "counted", "logger", "progress", "rank", "set_rank", "setup",
    "shown", "table", "warn_once", "width", "wrapped",
]  # fmt: skip

T = TypeVar("T")

logger = logging.getLogger("bertkit")

# Warnings that the command of this process has shown, see `warn_once`; None outside commands.
_shown: set[str] | None = None

# Of this process in the process group that it has joined, see `set_rank`.
_rank = 0


def setup(verbosity: int = 0) -> None:
    """Send log lines to stderr.

    Args:
        verbosity: -1 for warnings only, 0 for information, 1 and more for debugging.
    """
    global _shown
    _shown = set()
    level = logging.WARNING if verbosity < 0 else logging.INFO if verbosity == 0 else logging.DEBUG
    handler = _Stderr()
    handler.setFormatter(_Formatter())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)


def reset() -> None:
    """Undo `setup`: warnings alone are told, in the way that the importing program chose."""
    global _shown
    _shown = None
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def warn_once(text: str) -> None:
    """Warn; a command that finds the same again, as it looks into a folder twice, is silent."""
    if _shown is None or text not in _shown:
        logger.warning("%s", text)
    if _shown is not None:
        _shown.add(text)


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
            text = displayable(self.format(record), encoding) + "\n"
            with bars.cleared():
                stream.write(text)
                stream.flush()
        except Exception:
            self.handleError(record)


class _Formatter(logging.Formatter):
    """Adds the level in front of every message that is not plain information."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno == logging.INFO:
            return text
        return f"{record.levelname.lower()}: {escaped(text)}"


def bars_wanted() -> bool:
    """True if progress bars are to be shown: where somebody watches, in rank 0, without `-q`.

    Somebody watches a terminal, and a notebook. Python code that did not set this log up has
    bars unless it has silenced the logger "bertkit".
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None where it was closed
    return _rank == 0 and _talks() and (terminal or bars.in_notebook())


def _talks() -> bool:
    return logger.level <= logging.INFO  # NOTSET is 0


def progress(
    items: Iterable[T] | None = None,
    *,
    total: int | None = None,
    unit: str = "it",
    description: str = "",
    scale: bool = False,
    lines: bool = True,
) -> Any:
    """A tqdm progress bar, shown only where `bars_wanted`; elsewhere a log line every minute.

    Args:
        items: what to iterate over; None for a bar that `update(n)` moves.
        total: number of steps, if it is known.
        unit: name of one step.
        description: text before the bar.
        scale: abbreviate large counts, such as 1.2M.
        lines: False for work that logs lines of its own.
    """
    settings: dict[str, Any] = {
        "total": total,
        "unit": unit,
        "desc": description or None,
        "unit_scale": scale,
    }
    if bars_wanted():
        return bars.draw(items, **settings)
    if lines and _rank == 0 and logger.isEnabledFor(logging.INFO):
        return bars.Lines(items, **settings)
    from tqdm import tqdm

    return tqdm(items, disable=True, **settings)


def close_bars() -> None:
    """Remove the bars of work that an error ended."""
    bars.close_all()


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def counted(number: int, what: str) -> str:
    """A number with its noun: 1 file, 2,000 files."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
