"""Cuts the values out of JSON of any size, one in memory at a time, and looks at how it begins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from bertkit.codecs.packed_stream import PIECE

# Between values; \x1e begins those of a JSON text sequence (RFC 7464).
_BETWEEN = re.compile(rb"[\s,\x1e]*")
_SPACES = (" ", "\t", "\r", "\n", ",", "\x1e")
_OTHER = re.compile(rb"[ \t\r\n]*[!-Z\\^-z|}~]")
_BRACKET = re.compile(rb'["{}\[\]]')
# What is left of a string, without its closing quote.
_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"]*')
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity", "-")
_LOOKED_AT = 20
_LONGEST_NUMBER = 4000


class JsonHead(NamedTuple):
    """How a file of JSON begins.

    Attributes:
        listed: its values are the elements of an array.
        lines: the first value does not reach beyond its line.
        values: the first values that are whole in these bytes.
        cut: the bytes end within the value that follows them.
    """

    listed: bool
    lines: bool
    values: list[Any]
    cut: bool


def json_head(text: bytes) -> JsonHead | None:
    """How these first bytes of a file begin JSON objects or an array; None if they do not."""
    if _OTHER.match(text):  # nearly all text ends here
        return None
    head = text.decode("utf-8", "ignore").lstrip()
    listed = head.startswith("[")
    if not head.startswith(("{", "[")):
        return None
    decoder = json.JSONDecoder(parse_int=_whole_number)
    values: list[Any] = []
    place, cut, lines, ended = int(listed), False, True, False
    while len(values) < _LOOKED_AT and not cut:
        while head[place : place + 1] in _SPACES:
            place += 1
        if place >= len(head):
            break
        if listed and head[place] == "]":
            place, ended = place + 1, True
            break
        try:
            value, end = decoder.raw_decode(head, place)
        except json.JSONDecodeError as error:
            cut = _cut_off(error, head)
            if not values and not cut:
                return None
            end = len(head) if cut else place
            value = None
        except RecursionError:
            return None
        if not values:
            # Another one on the same line, or a comma, and it is no line of its own.
            after = head[end:].partition("\n")[0].lstrip()
            lines = "\n" not in head[place:end] and not after.startswith(("{", ","))
        if end == place:  # what follows the values is no JSON
            if listed and not isinstance(values[0], dict):
                return None
            break
        if not cut:
            values.append(value)
        place = end
    if ended and head[place:].strip():
        return None
    if not listed and values and not isinstance(values[0], dict):
        return None
    return JsonHead(listed, lines and not listed, values, cut)


def _whole_number(digits: str) -> int:
    """A number; how a file begins is no question of one that Python refuses for its length."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else 0


def _cut_off(error: json.JSONDecodeError, head: str) -> bool:
    """Whether the bytes merely end too soon: within a string or a word, or before a mark."""
    rest = head[error.pos :].strip()
    escape = "escape" in error.msg and len(rest) < 12
    return error.msg.startswith("Unterminated") or escape or any(w.startswith(rest) for w in _WORDS)


def json_values(stream: IO[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """The values of a file: the elements of its array, or one value after the other.

    Args:
        stream: UTF-8.
        max_bytes: of a value that is kept.

    Yields:
        The bytes of a value, not parsed; None for one that is too large. What is no JSON
        comes out as it is, up to the next mark.
    """
    scan = _Scan(max_bytes)
    while block := stream.read(PIECE):
        yield from scan.feed(block)
    yield from scan.rest()


class _Scan:
    """Where the cut between values is, whatever pieces the bytes come in."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._at = 0  # what lies before is scanned
        self._listed = self._begun = self._string = self._scalar = self._dropped = False
        self._depth = 0

    def feed(self, block: bytes) -> Iterator[bytes | None]:
        """The values that end in this block."""
        self._held += block
        while self._at < len(self._held):
            if not self._begun and not self._begin():
                continue
            if not self._ends():
                break
            yield self._take()
        if self._begun and (self._dropped or self._at > self._max_bytes):
            self._dropped = True
            del self._held[: self._at]
            self._at = 0

    def rest(self) -> Iterator[bytes | None]:
        """What has no end."""
        if self._begun:
            self._at = len(self._held)
            yield self._take()

    def _begin(self) -> bool:
        """Go to the first byte of a value; False where there is none yet."""
        self._at = _end(_BETWEEN, self._held, self._at)
        first = bytes(self._held[self._at : self._at + 1])
        if (first == b"[" and not self._listed) or (first == b"]" and self._listed):
            self._listed = not self._listed
            self._at += 1
            first = b""
        del self._held[: self._at]
        self._at = 0
        if not first:
            return False
        self._begun = True
        self._string, self._depth = first == b'"', int(first in b"{[")
        self._scalar = not self._string and not self._depth
        self._at = 0 if self._scalar and first not in b"]}" else 1
        return True

    def _ends(self) -> bool:
        """Go on to the end of the value; False where it lies beyond these bytes."""
        held = self._held
        if self._scalar:
            self._at = _end(_SCALAR, held, self._at)
            return self._at < len(held)
        while self._at < len(held):
            if self._string:
                self._at = _end(_STRING, held, self._at)
                if held[self._at : self._at + 1] != b'"':
                    return False
                self._string = False
                self._at += 1
            elif found := _BRACKET.search(held, self._at):
                mark, self._at = found.group(), found.end()
                self._string = mark == b'"'
                self._depth += (mark in b"{[") - (mark in b"}]")
            else:
                self._at = len(held)
                return False
            if not self._depth and not self._string:
                return True
        return False

    def _take(self) -> bytes | None:
        large = self._dropped or self._at > self._max_bytes
        value = None if large else bytes(self._held[: self._at])
        del self._held[: self._at]
        self._at, self._begun, self._scalar, self._dropped = 0, False, False, False
        return value


def _end(pattern: re.Pattern[bytes], held: bytearray, start: int) -> int:
    found = pattern.match(held, start)
    assert found is not None, "these patterns match nothing at least"
    return found.end()
