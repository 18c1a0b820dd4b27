"""Reads JSON lines that are objects, each error with the place of its line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bertkit.errors import DataError


def json_object(line: str, place: str, hint: str = "") -> dict[str, Any]:
    """The object of a line.

    Args:
        line: without its end, or with it.
        place: FILE:LINE, for messages.
        hint: what such a line looks like.

    Raises:
        DataError: not JSON, or not an object.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}", hint) from error
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
