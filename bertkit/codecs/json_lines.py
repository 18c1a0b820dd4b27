"""Reads JSON lines that are objects, each error with the place of its line.

A key that stands twice in an object is refused: other readers keep one of the two without a word,
and not all the same one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from bertkit.errors import DataError


def parse_json(text: str, place: str, hint: str = "") -> Any:
    """The value of a JSON text, whose objects have each key once.

    Args:
        text: a line or a whole file.
        place: for messages.
        hint: what is expected.

    Raises:
        DataError: not JSON, nested too deeply, or a key twice in an object.
    """
    try:
        return json.loads(text, object_pairs_hook=keys_once)
    except json.JSONDecodeError as error:
        # Of a line the place is told already; a whole file has lines of its own.
        where = f"{error.msg} at character {error.pos + 1}" if "\n" not in text.strip() else error
        raise DataError(f"{place}: not JSON: {where}", hint) from error
    except KeyTwiceError as error:
        raise DataError(f"{place}: {error}", hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}", hint) from error


class KeyTwiceError(ValueError):
    """A key that an object has twice."""


def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, as `object_pairs_hook` of `json.loads`.

    Raises:
        KeyTwiceError: a key is there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise KeyTwiceError(f"the key {twice!r} is there twice")
    return found


def json_object(line: str, place: str, hint: str = "") -> dict[str, Any]:
    """The object of a line.

    Args:
        line: without its end, or with it.
        place: FILE:LINE, for messages.
        hint: what such a line looks like.

    Raises:
        DataError: not JSON, not an object, or a key twice.
    """
    found = parse_json(line, place, hint)
    if not isinstance(found, dict):
        raise DataError(f"{place}: not an object", hint)
    return found


def json_objects(
    lines: Iterable[str], source: str, hint: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1, object) of each line; blank ones are passed over.

    Raises:
        DataError: as `json_object`, with SOURCE:LINE.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, json_object(line, f"{source}:{number}", hint)
