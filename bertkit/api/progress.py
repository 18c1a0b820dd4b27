"""Turns log lines and progress bars of the library on and off."""

from __future__ import annotations

from bertkit import log


def show_progress(on: bool = True) -> None:
    """Show log lines and progress bars on stderr, as the commands do.

    At first nothing is shown but warnings, which go through Python's `logging` under the name
    `bertkit`. Bars are drawn on terminals and in notebooks.

    Args:
        on: False: back to that.

    Example:
        >>> bertkit.show_progress()
        >>> bertkit.show_progress(False)
    """
    if on:
        log.setup()
    else:
        log.reset()
