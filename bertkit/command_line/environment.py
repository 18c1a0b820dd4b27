"""Options from the environment: `BERTKIT_<COMMAND>_<FLAG>`, whatever the flag is called inside."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence

import click

from bertkit.command_line.words import FALSE, TRUE

# Kubernetes gives every container variables of the services beside it, by the services' names.
_OF_A_SERVICE = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\w+)?)")


def variable(prefix: str, flag: str) -> str:
    """The variable that sets a flag: `BERTKIT_PRETRAIN_MAX_STEPS` for `--max-steps`."""
    return f"{prefix}_{flag.lstrip('-').replace('-', '_').upper()}"


def variables(prefix: str, option: click.Option) -> list[str]:
    """The variables that set an option, one for each of its long flags."""
    flags = [*option.opts, *option.secondary_opts]
    return [variable(prefix, flag) for flag in flags if flag.startswith("--")]


def value_of(prefix: str, option: click.Option) -> str | None:
    """The text that the environment has for an option; None where it has none.

    A variable of the flag that says no is turned round: `BERTKIT_MAKE_RECORDS_CASED=1`.
    """
    for flag in option.opts:
        if flag.startswith("--") and (value := os.environ.get(variable(prefix, flag))):
            return value
    for flag in option.secondary_opts:
        if value := os.environ.get(variable(prefix, flag)):
            word = value.lower()
            return "false" if word in TRUE else "true" if word in FALSE else value
    return None


def set_variable(prefix: str, option: click.Option) -> str:
    """The variable of an option that is set; empty where none is."""
    return next(filter(os.environ.get, variables(prefix, option)), "")


def unknown(
    prefix: str, options: Iterable[click.Option], commands: Sequence[str]
) -> list[tuple[str, str]]:
    """(variable, the one that was probably meant) of those that look like options and are none.

    Args:
        prefix: of the command, such as `BERTKIT_FINETUNE`.
        options: of the command.
        commands: the names of all commands: `BERTKIT_FINETUNE_SQUAD_SEED` belongs to another.
    """
    known = {name for option in options for name in variables(prefix, option)}
    known |= {variable(prefix, option.name) for option in options if option.name}
    others = tuple(
        f"{other}_"
        for other in (variable("BERTKIT", name) for name in commands)
        if other.startswith(f"{prefix}_")
    )
    found: list[tuple[str, str]] = []
    for name in sorted(os.environ):
        rest = name.removeprefix(f"{prefix}_")
        if rest == name or name in known or name.startswith(others):
            continue
        if not _OF_A_SERVICE.fullmatch(rest):
            found.append((name, next(iter(difflib.get_close_matches(name, known, n=1)), "")))
    return found
