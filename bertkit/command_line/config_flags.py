"""Makes the flags of a command from the fields of its configuration."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Any

import click

from bertkit.command_line.assignments import Assignment
from bertkit.command_line.choice import Choice
from bertkit.command_line.command import Command
from bertkit.command_line.option import Option
from bertkit.configuration.option_groups import OTHERS, RECIPE
from bertkit.configuration.settings import ordered_fields, value_type

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


def command(**keywords: Any) -> Callable[[Function], Command]:
    """`click.command` for bertkit's commands."""
    return click.command(cls=Command, **keywords)


def option(*names: str, group: str, **keywords: Any) -> Decorator:
    """`click.option` that says where help pages list the option.

    Args:
        names: as of click.
        group: of `bertkit.configuration.option_groups`.
        keywords: as of click, and of `bertkit.command_line.option.Option`.
    """
    kind = keywords.get("type")
    if isinstance(kind, click.Choice) and not isinstance(kind, Choice):
        keywords["type"] = Choice(keywords["type"].choices)
    return click.option(*names, cls=Option, group=group, **keywords)


def preset_option(names: Sequence[str]) -> Decorator:
    """`--preset`: a recipe that ships with bertkit."""
    text = "Start from a shipped recipe; with --help shows its defaults."
    return option("--preset", group=RECIPE, first=True, type=Choice(names), help=text)


def config_options(kind: type, skip: Sequence[str] = ()) -> Decorator:
    """Flags for every field of a configuration dataclass, and `--config`, `--set`.

    The command receives them as keyword arguments; pass those on to
    `bertkit.commands.options.resolved`.
    """

    def decorate(function: Function) -> Function:
        hints = typing.get_type_hints(kind)
        function = option(
            "--set",
            "assignments",
            group=RECIPE,
            multiple=True,
            metavar="KEY=VALUE",
            type=Assignment(kind),
            example=_assignment(kind),
            help="Set any key of the configuration, nested keys included; repeatable.",
        )(function)
        function = option(
            "--config",
            "config_file",
            group=RECIPE,
            metavar="FILE",
            help="YAML file with settings by name.",
        )(function)
        for item in reversed(ordered_fields(kind)):
            if item.name in skip:
                continue
            if dataclasses.is_dataclass(hints[item.name]):
                function = _nested_options(item, hints[item.name])(function)
            else:
                function = _option(item, hints[item.name])(function)
        return function

    return decorate


def _assignment(kind: Any) -> str:
    """An example for `--set`: a setting that has no flag, if there is one."""
    names = {item.name for item in dataclasses.fields(kind)}
    if "model" in names:
        return "model.hidden_size=256"
    return "seed=7" if "seed" in names else "limit=1000"


def _nested_options(item: dataclasses.Field[Any], kind: Any) -> Decorator:
    """Flags for those settings of a nested dataclass that its metadata names as `options`."""

    def decorate(function: Function) -> Function:
        hints = typing.get_type_hints(kind)
        by_name = {inner.name: inner for inner in dataclasses.fields(kind)}
        for name in reversed(item.metadata.get("options", ())):
            function = _option(by_name[name], hints[name], item)(function)
        return function

    return decorate


def _option(
    item: dataclasses.Field[Any], hint: Any, section: dataclasses.Field[Any] | None = None
) -> Decorator:
    """The flag of a setting, which may stand in a section."""
    facts = item.metadata
    name = "--" + item.name.replace("_", "-")
    extra = list(facts.get("flags", ()))
    hint, repeated, _ = value_type(hint)
    default = item.default if item.default is not dataclasses.MISSING else None
    keywords: dict[str, Any] = {
        "default": None,
        "help": facts.get("help", ""),
        "setting": f"{section.name}.{item.name}" if section else item.name,
        "setting_default": None if default == "" else default,
        "first": facts.get("first", False) and not section,
        "example": facts.get("example", ""),
    }
    group = facts.get("group") or (section.metadata.get("group") if section else "") or OTHERS
    if hint is bool:
        off = facts.get("off") or "--no-" + item.name.replace("_", "-")
        return option(*extra, f"{name}/{off}", item.name, group=group, **keywords)
    if facts.get("metavar"):
        keywords["metavar"] = facts["metavar"]
    if facts.get("choices"):
        keywords["type"] = Choice(facts["choices"], facts.get("mistaken", ""))
    elif hint in (int, float):
        keywords["type"] = {int: click.INT, float: click.FLOAT}[hint]
    if repeated:
        keywords["multiple"] = True
    return option(*extra, name, item.name, group=group, **keywords)
