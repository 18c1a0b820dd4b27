"""Writes JSON that every parser reads: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

# Halves of surrogate pairs stand for bytes of paths that are not UTF-8; no file can hold them.
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    readable: bool = False,
    sort_keys: bool = False,
    compact: bool = False,
) -> str:
    """A value as JSON text of RFC 8259, which knows neither NaN nor Infinity.

    Args:
        value: plain data; NumPy's scalars count as such. Floats that are not finite are
            written as null.
        indent: spaces per level, one item a line; None for one line.
        readable: letters outside ASCII stand for themselves, for people; otherwise escaped.
        sort_keys: objects in the order of their keys.
        compact: no spaces after commas and colons.

    Raises:
        TypeError: not plain data.
    """
    layout: dict[str, Any] = {
        "indent": indent,
        "ensure_ascii": not readable,
        "sort_keys": sort_keys,
        "separators": (",", ":") if compact else None,
        "allow_nan": False,
        "default": _plain,
    }
    try:
        text = json.dumps(value, **layout)
    except ValueError:
        # Rare, so that only then everything is gone through.
        text = json.dumps(_finite(value), **layout)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if readable else text


def is_finite(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that a float can hold; whole numbers of JSON may be larger."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        return False


def _plain(value: Any) -> Any:
    """A scalar of NumPy or torch as Python's."""
    if hasattr(value, "item"):
        return _finite(value.item())
    raise TypeError(f"{type(value).__name__} is not plain data")


def _finite(value: Any) -> Any:
    """The same data with None in the place of numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_finite_key(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _finite_key(key: Any) -> Any:
    return str(key) if isinstance(key, float) and not math.isfinite(key) else key
