"""Damages files at random, with a look at what they hold: bytes, lines, numbers, values of JSON.

The same seed gives the same damage. Readers may take what comes out, or refuse it with an error for
the user; nothing else.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

from bertkit.errors import BertkitError

_BYTES = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b"\\", b"{", b"]"),
    *(b"<", b"&#x110000;", b"<![CDATA[", b"\t", b",", b"\x1b[2J", b"\xe2\x80\xa8", b"WARC/1.0\r\n"),
]
_NUMBERS = [
    *(b"-1", b"0", b"1e999", b"NaN", b"1.5", b"9" * 5000, b"18446744073709551616", b"null", b""),
    *(b"4294967295", b"\xc2\xb2", b"1" + b"0" * 400),
]
_VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 10**400, float("nan"), "", "\0", "\ud800", "../x", "1", [], {}),
    *([None], ["a"], [{}], {"a": 1}, [[0]]),
]


def damaged(draw: random.Random, blob: bytes) -> bytes:
    """The bytes with one or two things wrong with them."""
    for _ in range(draw.choice([1, 1, 2])):
        blob = draw.choice([_bit, _cut, _put, _number, _lines, _json])(draw, blob)
    return blob


def outcomes(read: Callable[[bytes], object], blobs: list[bytes], cases: int) -> Iterator[str]:
    """What a reader makes of damaged files: `read`, or `refused` with one error for the user."""
    draw = random.Random(len(blobs))
    for _ in range(cases):
        blob = damaged(draw, draw.choice(blobs))
        try:
            read(blob)
        except BertkitError as error:
            assert error.message, blob[:500]
            yield "refused"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {blob[:2000]!r}") from error
        else:
            yield "read"


def _bit(draw: random.Random, blob: bytes) -> bytes:
    content = bytearray(blob or b"\0")
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def _cut(draw: random.Random, blob: bytes) -> bytes:
    at = draw.randrange(len(blob) + 1)
    return blob[:at] + (b"" if draw.random() < 0.5 else blob[at + draw.choice([1, 4, 60]) :])


def _put(draw: random.Random, blob: bytes) -> bytes:
    at, some = draw.randrange(len(blob) + 1), draw.choice(_BYTES)
    return blob[:at] + some + blob[at + draw.choice([0, len(some)]) :]


def _number(draw: random.Random, blob: bytes) -> bytes:
    found = list(re.finditer(rb"\d+", blob))
    if not found:
        return _bit(draw, blob)
    place = draw.choice(found)
    return blob[: place.start()] + draw.choice(_NUMBERS) + blob[place.end() :]


def _lines(draw: random.Random, blob: bytes) -> bytes:
    lines = blob.splitlines(keepends=True) or [b""]
    at = draw.randrange(len(lines))
    lines[at] = draw.choice([b"", lines[at] * 2, lines[at][: len(lines[at]) // 2], lines[0]])
    return b"".join(lines)


def _json(draw: random.Random, blob: bytes) -> bytes:
    """A value in the file, or in one of its lines, replaced by another, left out, or twice."""
    try:
        return _json_text(draw, json.loads(blob))
    except ValueError:
        lines = blob.splitlines(keepends=True) or [b""]
    at = draw.randrange(len(lines))
    try:
        lines[at] = _json_text(draw, json.loads(lines[at])) + b"\n"
    except ValueError:
        return _put(draw, blob)
    return b"".join(lines)


def _json_text(draw: random.Random, value: Any) -> bytes:
    holder = {"": value}
    holders = list(_holders(holder))
    place, key = draw.choice(holders)
    how = draw.randrange(4)
    if how == 0 and place is not holder:
        del place[key]
    elif how == 1 and isinstance(place, dict) and place is not holder:
        place[f"twice {key}"] = place[key]
    else:
        place[key] = draw.choice(_VALUES)
    text = json.dumps(holder[""]).replace('"twice ', '"')
    return text.encode("utf-8", "surrogatepass")


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _holders(value[key])
