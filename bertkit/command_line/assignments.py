"""The `KEY=VALUE` of `--set`, and how the shell completes it: keys, sections, and their values."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import click

from bertkit.command_line.values import PLACES, Place
from bertkit.configuration.settings import ordered_fields, value_type

KEY = "key"  # a completion after which more is to be typed, so that no space follows


class Assignment(click.types.StringParamType):
    """A setting and its value, as text.

    Args:
        kind: the dataclass whose settings are assigned.
    """

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Keys and sections that begin so; of a whole key, its values.

        Values come without their key: bash parts words at "=", for others
        `completion` puts the key before them.
        """
        from click.shell_completion import CompletionItem

        key, equals, begin = incomplete.partition("=")
        path, _, last = key.replace("-", "_").rpartition(".")
        fields = _fields_at(self.kind, path)
        if not equals:
            before = f"{path}." if path else ""
            return [
                CompletionItem(before + name, type=KEY, help=text)
                for name, text in _names(fields)
                if name.startswith(last)
            ]
        found = fields.get(last)
        if found is None or dataclasses.is_dataclass(found[1]):
            return []
        item, hint = found
        place = item.metadata.get("metavar")
        if place in PLACES:
            items = Place(place).shell_complete(ctx, param, begin)
            return [CompletionItem(one.value, type=one.type, behind=True) for one in items]
        values = [value for value in _values(item, hint) if value.startswith(begin)]
        return [CompletionItem(value, behind=True) for value in values]


# Name of a setting → its field, and its type.
_Fields = Mapping[str, tuple[dataclasses.Field[Any], Any]]


def _fields_at(kind: Any, path: str) -> _Fields:
    """The settings of a section, named by its dotted path; none where there is no such one."""
    for name in path.split(".") if path else ():
        kind = typing.get_type_hints(kind).get(name)
        if not dataclasses.is_dataclass(kind):
            return {}
    hints = typing.get_type_hints(kind)
    return {item.name: (item, hints[item.name]) for item in ordered_fields(kind)}


def _names(fields: _Fields) -> Iterator[tuple[str, str]]:
    """(what to complete to, help) of settings and sections."""
    for name, (item, hint) in fields.items():
        ending = "." if dataclasses.is_dataclass(hint) else "="
        yield name + ending, item.metadata.get("help", "")


def _values(item: dataclasses.Field[Any], hint: Any) -> list[str]:
    """The values that a setting can have, where they are few."""
    kind, _, optional = value_type(hint)
    none = ["null"] if optional else []
    if item.metadata.get("choices"):
        return [*map(str, item.metadata["choices"]), *none]
    return ["true", "false", *none] if kind is bool else []
