"""Makes docs/configuration.md: every key of every command's settings, from their dataclasses.

`docs/generate.py` writes the page.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from bertkit.config_schema.commands import COMMANDS, settings_of
from bertkit.configuration.settings import (default_values, ordered_fields, value_type)

HEAD = """# Configuration

Generated from the program by `make docs`; do not edit. These are the keys of the YAML files that
`--config FILE` reads, of `--set KEY=VALUE`, and of the `config.yaml` that a run writes. A key without
a dot is also a flag: `max_steps` is `--max-steps`; in YAML, `model.hidden_size` stands as `hidden_size`
below `model:`. [Settings in an editor](how-to/editor.md) says how keys complete there.

Command line > environment (`BERTKIT_PRETRAIN_MAX_STEPS`) > `--config` > preset > default: what is further
left wins, and `--dry-run` shows where each value comes from. `none` (in YAML also `null`) takes an
optional setting back that stands further right, such as the `predict_file` of a `--config`; a file
of that name is `./none`.

What a command has in common with `pretrain`, default included, is named and not repeated.
"""
# The order in which the commands are used; `pretrain`, to which others refer, has all its rows.
_ORDER = ("extract", "clean", "split", "make-records", "pretrain", "eval", "finetune",
          "finetune-squad", "predict")


def page() -> str:
    """The whole page as Markdown."""
    if set(_ORDER) != set(COMMANDS):
        raise SystemExit(f"docs/configuration_page.py: commands are {', '.join(COMMANDS)}")
    common = _rows(settings_of("pretrain"))
    parts = [HEAD]
    for command in _ORDER:
        rows = _rows(settings_of(command))
        shared = [key for key in rows if command != "pretrain" and common.get(key) == rows[key]]
        own = [f"| `{key}` | {' | '.join(row)} |" for key, row in rows.items() if key not in shared]
        parts.append(f"## {command}\n\n| key | values | default | |\n|---|---|---|---|\n" + "\n".join(own) + "\n")
        if shared:
            parts.append(f"As in [pretrain](#pretrain): {_named(shared)}.\n")
    return "\n".join(parts)


def _named(keys: list[str]) -> str:
    """Keys for a sentence; of a section that is shared, its name."""
    found = dict.fromkeys(key.split(".")[0] + (".*" if "." in key else "") for key in keys)
    return ", ".join(f"`{key}`" for key in found)


def _rows(kind: Any, prefix: str = "") -> dict[str, tuple[str, str, str]]:
    """Dotted key → (values, default, help) of every setting."""
    hints = typing.get_type_hints(kind)
    defaults = default_values(kind)
    found: dict[str, tuple[str, str, str]] = {}
    for item in ordered_fields(kind):
        key = prefix + item.name
        if dataclasses.is_dataclass(hints[item.name]):
            found |= _rows(hints[item.name], f"{key}.")
            continue
        default = defaults.get(item.name)
        shown = "" if default in (None, "", []) else f"`{_yaml(default)}`"
        text = item.metadata.get("help", "").replace("|", "\\|")
        found[key] = (_values(item, hints[item.name]), shown, text)
    return found


def _values(item: dataclasses.Field[Any], hint: Any) -> str:
    kind, repeated, _ = value_type(hint)
    names = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}
    choices = item.metadata.get("choices")
    low, high = item.metadata.get("minimum"), item.metadata.get("maximum")
    text = ", ".join(f"`{word}`" for word in choices) if choices else names[kind]
    if repeated:
        text = f"list of {text}"
    if low is not None and high is not None:
        return f"{text}, {low} to {high}"
    return f"{text}, {low} or more" if low is not None else text


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
