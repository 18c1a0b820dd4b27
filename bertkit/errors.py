"""Defines errors for the user: one message, a hint and an exit status.

All errors that library code raises on purpose are of these classes; `bertkit.cli` prints
them on stderr. Every subclass stands for one exit status.
"""

from __future__ import annotations

from collections.abc import Sequence


class BertkitError(Exception):
    """An error that the user can understand and act on.

    Args:
        message: what is wrong and where (file:line, record number, the two values).
        hint: what to do about it; may be empty.
        exit_code: overrides the status of the class.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send errors to the parent: keep hint and status on the way.
        return type(self), (self.message, self.hint, self.exit_code)


class UsageError(BertkitError):
    """Flags that contradict each other, or a flag that is missing."""

    exit_code = 2


class DataError(BertkitError):
    """Input that is broken, empty, or does not fit what it is used with."""

    exit_code = 3


class NotTextError(DataError):
    """A file that is no text, or text in a form that is not known."""


class ConfigError(BertkitError):
    """A configuration with wrong, unknown or contradicting values."""

    exit_code = 3


class MissingDependencyError(BertkitError):
    """A package, backend or device that is not on this machine."""

    exit_code = 4


class TargetNotReachedError(BertkitError):
    """A run that finished but missed the target it was given."""

    exit_code = 5


class StoppedError(BertkitError):
    """A run that saved its state after a signal; the same command resumes it."""

    exit_code = 75


def shortened(texts: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """The first texts of a list, and how many more there are.

    `a, b and 2 more`; where other signs stand between, `a; b; and 2 more`.
    """
    end = between.strip(", ")
    more = f"{end} and {len(texts) - most} more" if len(texts) > most else ""
    return between.join(texts[:most]) + more


def listed(faults: Sequence[str], most: int = 8) -> str:
    """Several faults as one line, of many the first."""
    return shortened(faults, most, "; ")
