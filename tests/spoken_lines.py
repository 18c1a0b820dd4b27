"""Checks what commands say to do: the `Next:` line runs, a hint names flags that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from bertkit.cli import COMMANDS, main_group, plain_flags, repeat_flags
from bertkit.hub.names import hub_name
from bertkit.tokenization.vocabulary import shipped_vocabs

# Parameters that name files or folders which must be there.
READ = {
    "inputs", "input", "text", "eval_input", "vocab", "checkpoints", "init_checkpoint", "baseline",
    "train_file", "eval_file", "predict_file", "config_file", "paths", "runs", "source", "first",
    "second", "data_dir", "metadata", "model_config",
}  # fmt: skip
_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
# Programs of others whose flags stand in hints.
_FOREIGN = re.compile(r"\b(pip|iconv|torchrun|conda|dask|spacy|bash|git|ulimit|kubectl) [^;`]*")
_LINES = re.compile(r"^(?:Next|Hint): .*$", re.MULTILINE)


def check_spoken(err: str, words: list[str]) -> None:
    """Check the lines `Next:` and `Hint:` of a command's stderr.

    Args:
        err: what it printed there.
        words: the command line, its name first.

    Raises:
        AssertionError: a line that proposes what is not there.
    """
    name = next((word.replace("_", "-") for word in words if not word.startswith("-")), "")
    for line in _LINES.findall(err):
        if line.startswith("Next: "):
            check_next(line.removeprefix("Next: "))
        elif name in COMMANDS:
            strange = sorted(set(flags_of_hint(line)) - known_flags(name))
            assert not strange, f"bertkit {name} has no {strange}, which its hint names: {line}"


def check_next(line: str) -> None:
    """Check that a proposed command line parses, and that the files it reads are there."""
    words = shlex.split(line)
    assert words[0] == "bertkit" and words[1] in COMMANDS, line
    command = command_named(words[1])
    if words[2:] == ["--help"]:
        return
    rest = repeat_flags(command, plain_flags(command, words[2:]))
    context = click.Context(main_group, info_name="bertkit")
    try:
        with command.make_context(words[1], rest, parent=context) as made:
            given = {key: made.params.get(key) for key in READ}
    except click.ClickException as error:
        raise AssertionError(f"{line}: {error.format_message()}") from error
    if words[1] == "predict":
        del given["text"]
    for path in _paths(given):
        elsewhere = path in shipped_vocabs() or "://" in path or "*" in path
        there = Path(path).exists() or elsewhere or hub_name(path) is not None
        assert there, f"{path} is not there, which the next step reads: {line}"


def _paths(given: dict[str, object]) -> Iterator[str]:
    for value in given.values():
        for path in [value] if isinstance(value, str) else value or ():
            yield str(path).removeprefix("@")


def flags_of_hint(line: str) -> list[str]:
    """The flags of a hint that belong to no other command or program named before them in it."""
    plain = _FOREIGN.sub("", line)
    for spoken in re.findall(r"`?bertkit ([a-z-]+)((?: [^`;]*)?)", plain):
        if spoken[0] in COMMANDS:
            strange = set(_FLAG.findall(spoken[1])) - known_flags(spoken[0])
            assert not strange, f"bertkit {spoken[0]} has no {sorted(strange)}: {line}"
            plain = plain.replace(spoken[0] + spoken[1], "")
    return _FLAG.findall(plain)


def command_named(name: str) -> click.Command:
    """The click command of a name."""
    found = main_group.get_command(click.Context(main_group), name)
    assert found is not None
    return found


def known_flags(name: str) -> set[str]:
    """Every long flag of a command, with those that say no."""
    params = command_named(name).params
    flags = [flag for item in params for flag in (*item.opts, *item.secondary_opts)]
    return {flag for flag in flags if flag.startswith("--")} | {"--help"}
