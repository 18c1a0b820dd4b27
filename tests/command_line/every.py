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
