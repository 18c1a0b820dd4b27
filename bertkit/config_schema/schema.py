"""Writes a dataclass of settings as a JSON schema, with help texts, choices, ranges and defaults.

What an editor accepts, bertkit accepts too. bertkit takes more: hyphens and dots in keys,
numbers in quotes.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from bertkit.configuration.settings import default_values, ordered_fields, value_type

# The draft that YAML's language servers know best.
DRAFT = "http://json-schema.org/draft-07/schema#"
_JSON_TYPES = {bool: ["boolean"], int: ["integer"], float: ["number"], str: ["string", "number"]}
# In a preset, what it is; `--config` passes it over.
_DESCRIPTION = {"description": "What these settings are for; bertkit does not use it."}


def json_schema(kind: Any, command: str) -> dict[str, Any]:
    """The schema of a command's configuration files.

    Args:
        kind: the dataclass of its settings, made with `bertkit.configuration.config.setting`.
        command: of bertkit, for the title.
    """
    schema = _section(kind)
    schema["properties"]["description"] = {"type": "string", **_DESCRIPTION}
    return {"$schema": DRAFT, "title": f"bertkit {command} --config FILE", **schema}


def _section(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    defaults = default_values(kind)
    properties: dict[str, Any] = {}
    for item in ordered_fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            properties[item.name] = _section(hints[item.name])
        else:
            properties[item.name] = _value(item, hints[item.name])
            if item.name in defaults:
                properties[item.name]["default"] = defaults[item.name]
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(item: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    """The schema of a setting: of one value, or of a list of them or one."""
    kind, repeated, optional = value_type(hint)
    empty = ["null"] if optional and not repeated else []
    limits: dict[str, Any] = {
        "type": [*_JSON_TYPES[kind], *empty],
        "enum": [*(item.metadata.get("choices") or ())],
        "minimum": item.metadata.get("minimum"),
        "maximum": item.metadata.get("maximum"),
    }
    if limits["enum"] and empty:
        limits["enum"].append(None)
    one = {key: value for key, value in limits.items() if value not in (None, [])}
    found = {"anyOf": [{"type": "array", "items": one}, one]} if repeated else one
    return {"description": item.metadata.get("help", ""), **found}
