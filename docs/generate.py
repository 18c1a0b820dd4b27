"""Write the pages, or tables in them, that are made from the program; `--check` only compares.

Run: python docs/generate.py [--check]
"""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import click

from bertkit.cli import COMMANDS, main_group
from bertkit.command_line.command import Command
from bertkit.command_line.help_page import in_groups
from bertkit.command_line.option import Option
from bertkit.external_configs import program_defaults
from bertkit.external_configs.detect import SYSTEMS

FOLDER = Path(__file__).parent
configuration = runpy.run_path(str(FOLDER / "configuration_page.py"))["page"]
questions = runpy.run_path(str(FOLDER / "memory_table.py"))["page"]
gpus = runpy.run_path(str(FOLDER / "gpu_plan.py"))["page"]
KEYS_HEAD = """# What the keys of other systems' configuration files become

Generated from the program by `make docs`; do not edit. `bertkit pretrain --config FILE` takes
these files as they are; `--dry-run` shows what every key of FILE became. A key that is not in
its table is refused with the nearest known one. Our settings are named as in YAML: `max_steps`
is `--max-steps`, `model.hidden_size` is `--set model.hidden_size=...`. What is given on the
command line wins over the file. `bert_config.json` sets the keys of `model` by their own names.
Files for question answering go to `bertkit finetune-squad --config FILE`, with the same rules for
optimizer and run; what concerns records, and the sizes of the model, is passed over there.
"""
DEFAULTS_HEAD = """## Defaults for keys that a file leaves out

A key that a file leaves out takes its own program's default, below, not bertkit's; `--dry-run`
prints these as `default of <program>`. A key for which the program has no default is asked for.
Empty: the program has none, or nothing of the kind. Two values: in mixed precision and for
records of length 128 / in fp32 and for length 512. Optimizers, in every file: `adamw` has bias
correction, `adamw_no_bias_correction` none; Cerebras' TensorFlow Adam has no decay, Graphcore's
TensorFlow AdamW decays by `weight_decay_rate` in every step whatever the learning rate, which a
warning says. Cerebras' batch is that of a device: under torchrun it is multiplied by the number
of processes.
"""
HEAD = """# The command line

Generated from the program by `make docs`; do not edit. `bertkit COMMAND --help` shows the options
that people need first, set in bold here, `--help-all` all of them, and `--preset NAME --help` the
defaults under that preset.

Flags may be written with underscores (`--max_seq_length`), and so may words among which an option
chooses (`max-weight-norm` is `max_weight_norm`). A flag without a value may have one, as other
programs want it: `--nsp=False` is `--no-nsp`. A repeatable flag takes several values at once
(`--input a.txt b.txt`), except for words that the command itself is waiting for
(`download --file train-v1.1.json squad-v1.1`).

Every flag can be set from the environment: `BERTKIT_<COMMAND>_<FLAG>`, for example
`BERTKIT_PRETRAIN_MAX_STEPS=100`. The command line wins over the environment, that over `--config`,
that over the preset, that over the default. A flag that says no has a variable too
(`BERTKIT_MAKE_RECORDS_CASED=1`); several values are separated by spaces. Variables of a command that
name no flag are warned of.

The Tab key completes commands, flags, choices, presets, backends, sources of `download`, files, and
the folders of runs and checkpoints, once the shell has read one of these lines (in `~/.bashrc`,
`~/.zshrc`, `~/.config/fish/completions/bertkit.fish`):

    eval "$(_BERTKIT_COMPLETE=bash_source bertkit)"
    eval "$(_BERTKIT_COMPLETE=zsh_source bertkit)"
    _BERTKIT_COMPLETE=fish_source bertkit | source
"""


def page() -> str:
    """The whole page as Markdown."""
    with click.Context(main_group, info_name="bertkit", **_settings()) as top:
        parts = [HEAD, _block("bertkit", main_group.get_help(top))]
        for name in COMMANDS:
            command = main_group.get_command(top, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=top, **_settings()) as ctx:
                parts.append(_command(f"bertkit {name}", command, ctx))
    return "\n".join(parts)


def _command(title: str, command: click.Command, ctx: click.Context) -> str:
    """Usage, description and examples as text; a table of options for every group."""
    assert isinstance(command, Command), f"{title} is made by options.command()"
    formatter = ctx.make_formatter()
    command.format_usage(ctx, formatter)
    command.format_help_text(ctx, formatter)
    parts = [_block(title, formatter.getvalue())]
    for group, options in in_groups(command.options(ctx)):
        rows = "\n".join(_row(option, ctx) for option in options if isinstance(option, Option))
        parts.append(f"### {group}\n\n| option | what it does |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(option: Option, ctx: click.Context) -> str:
    mark = "**" if option.first else ""
    text = option.text(ctx)
    if option.example:
        flag = max(option.opts, key=len)
        value = shlex.quote(option.example)
        text += f" Example: `{flag} {value}`"
    return f"| {mark}{_code(option.flags(ctx))}{mark} | {_cell(text)} |"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|")


def _cell(text: str) -> str:
    """Text in a table: nothing of it is markup, but for the example's code."""
    found = re.sub(r"([|*_<])", r"\\\1", re.sub(r"\s+", " ", text))
    return re.sub(r"`[^`]*`", lambda code: re.sub(r"\\([*_<])", r"\1", code.group()), found)


def keys_page() -> str:
    """The tables of other systems' keys as Markdown."""
    parts = [KEYS_HEAD]
    for system in SYSTEMS:
        if not system.rules:
            continue
        rows = "\n".join(f"| `{key}` | {rule.text} |" for key, rule in system.rules.items())
        parts.append(f"## {system.title}\n\n| there | here |\n|---|---|\n{rows}\n")
    return "\n".join([*parts[:1], defaults_table(), *parts[1:]])


def defaults_table() -> str:
    """The defaults of all programs beside bertkit's as Markdown."""
    head, *rows = (f"| {' | '.join(row)} |" for row in program_defaults.rows())
    line = re.sub(r"[^|]+", "---", head)
    return "\n".join([DEFAULTS_HEAD, head, line, *rows]) + "\n"


def _settings() -> dict[str, object]:
    return {"terminal_width": 100, "help_option_names": ["-h", "--help"]}


def _block(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```text\n{lines}\n```\n"


def main() -> int:
    """Write the pages, or say whether they are up to date."""
    status = 0
    pages = {
        "cli.md": page(),
        "config-keys.md": keys_page(),
        "configuration.md": configuration(),
        "faq.md": questions(),
        "gpus.md": gpus(),
    }
    for name, text in pages.items():
        place = FOLDER / name
        if "--check" not in sys.argv[1:]:
            place.write_text(text, encoding="utf-8")
        elif not place.is_file() or place.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"docs/{name} is out of date: run `make docs`\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
