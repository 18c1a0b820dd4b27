"""Says where a setting that an error names comes from, if not from what the user typed."""

from __future__ import annotations

import os
import re
from typing import Any

from bertkit.configuration.config import Resolved, as_dict, flatten


def where_from(message: str, resolved: Resolved[Any]) -> str:
    """The file, and the key in it, that set what a message is about; empty where none did.

    Args:
        message: of the error; it names settings as flags, or has the value of one that is a path.
        resolved: the settings.
    """
    values = flatten(as_dict(resolved.config))
    for key, origin in resolved.origins.items():
        if not os.path.isfile(origin.partition(":")[0]) and not os.path.isfile(origin):
            continue  # the command line, the environment, a preset, a default
        if _names(message, key) or _holds(message, values.get(key)):
            theirs = next(
                (name for name, _, became in resolved.external if f": {key} = " in became), ""
            )
            return f"{origin} says so{f' ({theirs})' if theirs else ''}"
    return ""


def _names(message: str, key: str) -> bool:
    flag = key.rpartition(".")[2].replace("_", "-")
    return bool(re.search(rf"--(no-)?{re.escape(flag)}(?![\w-])", message))


def _holds(message: str, value: Any) -> bool:
    """Whether a value is a path, or several, of which the message holds one."""
    found = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(one, str) and "/" in one and one in message for one in found)
