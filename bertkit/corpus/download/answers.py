"""Refuses answers of a server that are no file, where no checksum would notice it."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import Message
from typing import Protocol

from bertkit.errors import DataError

# Files that may be web pages, and how such pages begin.
_PAGES = (".html", ".htm", ".xhtml", ".mhtml")
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html\b)",
    re.IGNORECASE | re.DOTALL,
)
BEGINNING = 1 << 10  # bytes that show whether an answer is a web page
_ADVICE = "fetch it by other means and give --from-file PATH"


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most so many; none at the end."""
        ...


class _Joined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; those that are there already come by themselves."""
        head, self._head = self._head, b""
        return head or self._rest.read(size)


def the_file(
    name: str,
    answer: Message,
    stream: Readable,
    *,
    read: Callable[[Readable, int], bytes],
    begin: bool,
) -> Readable:
    """The body of an answer, if it can be the file that was asked for.

    Args:
        name: of the file.
        answer: the headers.
        stream: the body.
        read: reads from it, with the errors of a connection.
        begin: the first byte of the body is the file's first.

    Raises:
        DataError: a web page in the place of the file, or the file packed for the transfer.
    """
    coding = answer.get("Content-Encoding", "").lower().strip()
    # Servers that say so of a file NAME.gz mean the file itself.
    itself = name.lower().endswith((".gz", ".tgz")) and coding in ("gzip", "x-gzip")
    if coding not in ("", "identity") and not itself:
        raise DataError(f"the server sends {name} packed with {coding} for the transfer", _ADVICE)
    if not begin or name.lower().endswith(_PAGES):
        return stream
    head = read(stream, BEGINNING)
    if answer.get_content_type() in ("text/html", "application/xhtml+xml") or _PAGE.match(head):
        raise DataError(f"the server sends a web page in the place of {name}", _ADVICE)
    return _Joined(head, stream)
