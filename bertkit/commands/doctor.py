"""`bertkit doctor`."""

from __future__ import annotations

import click

from bertkit.commands.options import common_options, finish


@click.command()
@common_options
def command(as_json: bool) -> None:
    """Say what this machine can do and what is missing.

    Versions of bertkit and of the packages it uses, each backend with the reason where it
    cannot be used, memory and free disk. Paste the output into bug reports.

    \b
    Example:
      bertkit doctor
      bertkit doctor --json
    """
    from bertkit.backends.doctor import describe, examine

    found = examine()
    finish(found, as_json, describe(found), "bertkit download --list")
