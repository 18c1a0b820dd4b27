"""Write docs/cli.md from the command line itself; `--check` only compares.

Run: python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bertkit.cli import COMMANDS, main_group

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Generated from the program by `make docs`; do not edit. Every flag may also be written with
underscores (`--max_seq_length`), and every flag can be set from the environment:
`BERTKIT_<COMMAND>_<FLAG>`, for example `BERTKIT_PRETRAIN_MAX_STEPS=100`. The command line wins
over the environment, that over `--config`, that over the preset, that over the default.
"""


def page() -> str:
    """The whole page as Markdown."""
    with click.Context(main_group, info_name="bertkit", **_settings()) as top:
        parts = [HEAD, _block("bertkit", main_group.get_help(top))]
        for name in COMMANDS:
            command = main_group.get_command(top, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=top, **_settings()) as ctx:
                parts.append(_block(f"bertkit {name}", command.get_help(ctx)))
    return "\n".join(parts)


def _settings() -> dict[str, object]:
    return {"terminal_width": 100, "help_option_names": ["-h", "--help"]}


def _block(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```text\n{lines}\n```\n"


def main() -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write("docs/cli.md is out of date: run `make docs`\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
