"""Closes an adapter at the end of its block, and names the errors of its machine."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from bertkit.backends.process_group import ProcessGroup
from bertkit.errors import BertkitError

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` since Python 3.11


class AdapterContext(Protocol):
    """The block of an adapter: `with registry.get("cuda") as adapter: ...`.

    Attributes:
        process_group: the processes that train together.
    """

    process_group: ProcessGroup

    def close(self) -> None:
        """Free the device and leave the other processes; a second call does nothing."""

    def explained(self, error: BaseException) -> BertkitError | None:
        """An error of the machine, such as too little memory, in one line; None for others."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        clear = None if isinstance(error, BertkitError) else self.explained(error)
        with contextlib.suppress(Exception):  # the first error says what is wrong
            self.process_group.report_failure(clear or error)
        with contextlib.suppress(Exception):
            self.close()
        if clear is not None:
            raise clear from error
