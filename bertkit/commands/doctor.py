"""`bertkit doctor`: reports what this machine can do and what is missing."""

from __future__ import annotations

from bertkit.commands import options


@options.command()
@options.common_options
def command(as_json: bool) -> None:
    """Report what this machine can do and what is missing.

    Shows the versions of bertkit and of the packages it uses, which backends work here or
    why they do not, memory and free disk space. Paste the output into bug reports.

    \b
    Example:
      bertkit doctor
      bertkit doctor --json
    """
    from bertkit.backends.doctor import describe, examine

    found = examine()
    options.finish(found, as_json, describe(found), "bertkit download --list")
