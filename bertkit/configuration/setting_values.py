"""Turns a value of a file, the environment or the command line into the type of its setting."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.declined import accelerator

_SHOWN = 80  # characters of a wrong value in a message


def convert(value: Any, hint: Any, item: Any) -> Any:
    """Turn a YAML, environment or command-line value into the type of its field.

    Raises:
        ValueError: says what was expected.
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
        origin = typing.get_origin(hint)
    if origin is list:
        texts = value if isinstance(value, (list, tuple)) else [value]
        return [_scalar(text, typing.get_args(hint)[0]) for text in texts]
    converted = _scalar(value, hint)
    if item.metadata.get("choices") and isinstance(converted, str):
        converted = spelling(converted, item.metadata["choices"])
    _check_range(converted, item.metadata)
    return converted


def spelling(value: str, words: Sequence[str]) -> str:
    """The word that a value is but for hyphens and underscores, as it is spelled; else the value.

    `max-weight-norm` is `max_weight_norm`.
    """
    if value in words:
        return value
    plain = value.replace("_", "-")
    return next((word for word in words if word.replace("_", "-") == plain), value)


def _scalar(value: Any, hint: Any) -> Any:
    if hint is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "yes", "on", "1"):
            return True
        if str(value).lower() in ("false", "no", "off", "0"):
            return False
        raise ValueError(f"expected true or false, not {_short(value)}")
    if hint is int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError(f"expected a whole number, not {_short(value)}")
        try:
            return int(value.replace("_", "") if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise ValueError(f"expected a whole number, not {_short(value)}") from None
    if hint is float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"expected a number, not {_short(value)}") from None
        if not math.isfinite(number):
            raise ValueError(f"expected a finite number, not {_short(value)}")
        return number
    if hint is str:
        if isinstance(value, (list, dict)) or value is None:
            raise ValueError(f"expected text, not {_short(value)}")
        return str(value)
    return value


def _check_range(value: Any, metadata: Mapping[str, Any]) -> None:
    choices = metadata.get("choices") or ()
    if choices and value not in choices:
        declined = accelerator(str(value)) if "cpu" in choices else ""
        more = meant(value, metadata.get("mistaken", ""))
        text = f"{_short(value)} is not one of {', '.join(choices)}{more}"
        raise ValueError(declined or text)
    low, high = metadata.get("minimum"), metadata.get("maximum")
    if low is not None and value < low:
        raise ValueError(f"{value} is below the smallest allowed value {low}")
    if high is not None and value > high:
        raise ValueError(f"{value} is above the largest allowed value {high}")


def meant(value: Any, mistaken: str) -> str:
    """What to add about a value that is none of the choices: a number may be of something else."""
    return f"; {mistaken.format(value)}" if mistaken and str(value).isdecimal() else ""


def _short(value: Any) -> str:
    """A value for a message, which may be a whole file in the wrong place."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
