"""Tables of named rows, such as corpus forms, to which other packages can add rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """A row of a table."""

    @property
    def name(self) -> str:
        """Its name, of which there is one in a table."""
        ...


R = TypeVar("R", bound=Named)


class NamedTable(Generic[R]):
    """Rows by name, in their order.

    Args:
        kind: what a row is, for messages.
        rows: bertkit's own.
        more: further words of `choices`, before the names.

    Attributes:
        rows: all rows; those added from outside come last.
        choices: words for a command-line option; the list grows with the table.
    """

    def __init__(self, kind: str, rows: Iterable[R], more: Iterable[str] = ()) -> None:
        self.rows = list(rows)
        self.choices = [*more, *(row.name for row in self.rows)]
        self._kind, self._built_in = kind, len(self.rows)

    def register(self, row: R) -> contextlib.ExitStack:
        """Add a row from outside of the package.

        `--help` lists it if this is called before the command is loaded.

        Returns:
            A context that removes the row at its end; without `with` the row stays.

        Raises:
            ValueError: the name is taken.
        """
        if row.name in self.choices:
            raise ValueError(f"there is a {self._kind} {row.name!r} already")
        self.rows.append(row)
        self.choices.append(row.name)
        undo = contextlib.ExitStack()
        undo.callback(self.choices.remove, row.name)
        undo.callback(self.rows.remove, row)
        return undo

    def registered(self) -> tuple[R, ...]:
        """The rows that were added from outside."""
        return tuple(self.rows[self._built_in :])

    def register_missing(self, rows: Iterable[R]) -> None:
        """Add those rows that this process, such as a worker, does not know yet."""
        for row in rows:
            if row.name not in self.choices:
                self.register(row)

    def named(self, name: str) -> R:
        """The row of a name.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)
