"""Reads single values of other systems' files strictly: what is none of its kind is an error.

Python itself would take `1.5` steps for one, `true` for the number 1, the text `"False"` for true,
and an empty value for the text `None`.
"""

from __future__ import annotations

import math
from typing import Any

_NOTHING = "give a value, or leave the key out"


def whole(value: Any) -> int:
    """A whole number, also one written as a float or as text, such as 1e6.

    Raises:
        ValueError: it is none.
    """
    found = number(value, "a whole number")
    if found != int(found):
        raise ValueError("must be a whole number")
    exact = isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
    return int(value) if exact else int(found)


def positive(value: Any) -> int:
    """A whole number of at least 1.

    Raises:
        ValueError: it is none.
    """
    found = whole(value)
    if found < 1:
        raise ValueError("must be 1 or more")
    return found


def number(value: Any, kind: str = "a number") -> float:
    """A finite number, also one written as text.

    Args:
        value: as the file gives it.
        kind: of what is asked for, for people.

    Raises:
        ValueError: it is none.
    """
    if value is None:
        raise ValueError(_NOTHING)
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"must be {kind}")
    return found


def flag(value: Any) -> bool:
    """True or false, also as 1 or 0.

    Raises:
        ValueError: it is neither. Text is not, since not all of the programs take "false" for
            false.
    """
    if value is None:
        raise ValueError(_NOTHING)
    if isinstance(value, str) or value not in (True, False):
        quoted = ", without quotes" if isinstance(value, str) else ""
        raise ValueError(f"must be true or false{quoted}")
    return bool(value)


def text(value: Any) -> str:
    """A text, such as a path; a whole number stands for its digits.

    Raises:
        ValueError: it is none, or empty.
    """
    if value is None or value == "":
        raise ValueError(_NOTHING)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("must be a text")
    return str(value)


def texts(value: Any) -> list[str]:
    """One text or a list of them, as a list.

    Raises:
        ValueError: it is neither, or the list is empty.
    """
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError(_NOTHING)
        return [text(item) for item in value]
    return [text(value)]


def numbers(value: Any) -> list[float]:
    """One number or a list of them, as a list.

    Raises:
        ValueError: it is neither.
    """
    return [number(item) for item in (value if isinstance(value, list) else [value])]


def wholes(value: Any) -> list[int]:
    """A list of whole numbers.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list):
        raise ValueError("must be a list of whole numbers" if value is not None else _NOTHING)
    return [whole(item) for item in value]
