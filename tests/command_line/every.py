"""All commands and all their options, for tests that hold for each of them."""

from __future__ import annotations

import click

from bertkit import cli
from bertkit.command_line.command import Command
from bertkit.command_line.option import Option


def command(name: str) -> Command:
    """A command by its name."""
    found = cli.main_group.get_command(click.Context(cli.main_group), name)
    assert isinstance(found, Command), f"{name}: make it by options.command()"
    return found


def options() -> list[tuple[str, Option]]:
    """(command, option) of all that there are."""
    found = []
    for name in cli.COMMANDS:
        for option in command(name).params:
            if isinstance(option, click.Option):
                assert isinstance(option, Option), f"{name} {option.opts}: use options.option()"
                found.append((name, option))
    return found


def identity(row: tuple[str, Option]) -> str:
    """Name of a test's case."""
    return f"{row[0]} {row[1].opts[-1]}"


def parsed(name: str, *words: str) -> dict:
    """The parameters that a command takes from words, as the command line gives them to it.

    Required options that are missing are no error here.
    """
    root = click.Context(cli.main_group, **cli.main_group.context_settings)
    _, found, rest = cli.main_group.resolve_command(root, [name, *words])
    for option in found.params:
        assert option.name
    context = found.make_context(name, rest, parent=root, resilient_parsing=False)
    return context.params
