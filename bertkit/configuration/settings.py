"""Lets dataclasses of settings override inherited fields, and says what a resume may change.

The fields themselves are made by `bertkit.configuration.config.setting`.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, field
from typing import Any

# Whether a setting may change between the calls that continue one run.
FREE = "free"  # yes: it decides no number
ROUNDING = "rounding"  # yes: the same mathematics, but other last bits
FIXED = "fixed"  # no: it decides numbers


def override(kind: Any, name: str, default: Any = MISSING, **changes: Any) -> Any:
    """An inherited setting with another default, help text, flags, choices or range.

    For subclasses: `learning_rate: float = override(TrainingConfig, "learning_rate", 5e-5)`.
    The setting keeps its place among the inherited ones.

    Args:
        kind: the dataclass that the setting is inherited from.
        name: of the setting.
        default: the new one; left out, that of `kind` stays.
        changes: keyword arguments of `bertkit.configuration.config.setting`.
    """
    item = next(item for item in dataclasses.fields(kind) if item.name == name)
    unknown = changes.keys() - item.metadata.keys()
    if unknown:
        raise TypeError(f"a setting has no {', '.join(sorted(unknown))}")
    metadata = {**item.metadata, **changes}
    if default is MISSING and item.default_factory is not MISSING:
        return field(default_factory=item.default_factory, metadata=metadata)
    return field(default=item.default if default is MISSING else default, metadata=metadata)


def ordered_fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass (or of an instance), its own before those that it inherits.

    `dataclasses.fields` gives inherited ones first, but what belongs to one task is what
    people look for on top of `--help` and of `config.yaml`.
    """
    by_name = {item.name: item for item in dataclasses.fields(kind)}
    classes = (kind if isinstance(kind, type) else type(kind)).__mro__
    declared = [list(inspect.get_annotations(base)) for base in classes]
    # A setting belongs to the class that declared it first; overriding it moves nothing.
    owner = {name: number for number, names in enumerate(declared) for name in names}
    return [
        by_name[name]
        for number, names in enumerate(declared)
        for name in names
        if owner[name] == number and name in by_name
    ]


def union(name: str, kinds: Sequence[type]) -> Any:
    """A dataclass with the settings of several, each once, as the first that has it has it.

    Args:
        name: of the new class.
        kinds: dataclasses whose settings all have defaults.
    """
    found: dict[str, tuple[str, Any, Any]] = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind)
        for item in ordered_fields(kind):
            if item.default_factory is not MISSING:
                copy = field(default_factory=item.default_factory, metadata=item.metadata)
            else:
                copy = field(default=item.default, metadata=item.metadata)
            found.setdefault(item.name, (item.name, hints[item.name], copy))
    return dataclasses.make_dataclass(name, found.values(), frozen=True)


def value_type(hint: Any) -> tuple[Any, bool, bool]:
    """(type of one value, whether it is a list of them, whether None is allowed)."""
    optional = typing.get_origin(hint) in (typing.Union, types.UnionType)
    if optional:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is list:
        return typing.get_args(hint)[0], True, optional
    return hint, False, optional


def resume_rules(kind: Any) -> dict[str, str]:
    """Dotted key → `FREE`, `ROUNDING` or `FIXED`.

    A section, which is a field that holds a dataclass, may say it for all settings in it.
    """
    hints = typing.get_type_hints(kind)
    rules: dict[str, str] = {}
    for item in dataclasses.fields(kind):
        rule = item.metadata.get("on_resume")
        if dataclasses.is_dataclass(hints[item.name]):
            inner = resume_rules(hints[item.name])
            rules |= {f"{item.name}.{name}": rule or inner[name] for name in inner}
        else:
            rules[item.name] = rule or FIXED
    return rules


def default_values(kind: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key → default, of every setting that has one."""
    hints = typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            found |= default_values(hints[item.name], f"{prefix}{item.name}.")
        elif item.default is not MISSING:
            found[prefix + item.name] = item.default
        elif item.default_factory is not MISSING:
            found[prefix + item.name] = item.default_factory()
    return found
