"""Completes commands, options, values, paths and runs for bash, zsh and fish."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import Any

import click

from bertkit.command_line.option import listed_flags
from bertkit.command_line.words import hyphens

# As click's, and: items of the type `path` are file names, which readline quotes and to which it
# adds a slash where they are folders; no space comes after those of the type `key`; words that
# bash parts at "=" are joined by `_joined`.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n'
    local response completion type value

    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
%(complete_var)s=bash_complete $1 2>/dev/null)

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'path' ]]; then
            COMPREPLY+=("$value")
            compopt -o filenames
        elif [[ $type == 'key' ]]; then
            COMPREPLY+=("$value")
            compopt -o nospace
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
        fi
    done
    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""


def register() -> None:
    """Have click ask the classes here; called where the shell asks for completion."""
    from click import shell_completion as click_completion

    class Bash(click_completion.BashComplete):
        source_template = _BASH

        def get_completion_args(self) -> tuple[list[str], str]:
            args, incomplete = super().get_completion_args()
            return _joined(args, incomplete)

    class Zsh(click_completion.ZshComplete):
        def get_completions(self, args: list[str], incomplete: str) -> list[Any]:
            return _whole_words(super().get_completions(args, incomplete), incomplete)

    class Fish(click_completion.FishComplete):
        def get_completions(self, args: list[str], incomplete: str) -> list[Any]:
            return _whole_words(super().get_completions(args, incomplete), incomplete)

    for kind in (Bash, Zsh, Fish):
        click_completion.add_completion_class(kind)


def _whole_words(items: list[Any], word: str) -> list[Any]:
    """Items for shells that do not part words: what stands before "=" belongs to each of them.

    Paths are plain items there, and behind "=" the shell's own completion of files finds none.
    """
    from click.shell_completion import CompletionItem

    flag = word.partition("=")[0] + "=" if word.startswith("-") and "=" in word else ""
    found: list[Any] = []
    for item in items:
        # The value of a `--set KEY=VALUE` stands behind its key, too.
        before = word[: word.rindex("=") + 1] if item.behind else flag
        if item.type in ("file", "dir") and not before:
            found.append(item)
            continue
        named = item.type in ("file", "dir")
        values = _paths(word[len(before) :], item.type) if named else [item.value]
        found += [CompletionItem(before + value, help=item.help) for value in values]
    return found


def _paths(begin: str, kind: str) -> list[str]:
    """Files and folders, or folders alone, whose path begins so."""
    paths = sorted(glob.glob(glob.escape(begin) + "*"))
    return [path for path in paths if kind == "file" or os.path.isdir(path)]


def _joined(args: list[str], incomplete: str) -> tuple[list[str], str]:
    """The words before the cursor and the one at it, where bash parted them at "=".

    `--preset`, `=`, `ti` become an option and its value; `model.hidden_act`, `=`, `ge` one word.
    """
    words: list[str] = []
    inside = False  # the next word belongs to the last one
    for word in [*args, incomplete]:
        if word == "=" and words:
            if words[-1].startswith("-"):
                words.append("")
            else:
                words[-1] += "="
            inside = True
        elif inside:
            words[-1] += word
            inside = False
        else:
            words.append(word)
    return words[:-1], words[-1]


def options(command: click.Command, ctx: click.Context, incomplete: str) -> list[Any]:
    """The options that begin so, underscores taken for hyphens; those already given left out."""
    from click.core import ParameterSource
    from click.shell_completion import CompletionItem

    if incomplete and not incomplete.startswith("-"):
        return []
    begin = hyphens(incomplete)
    found = []
    for option in command.get_params(ctx):
        if not isinstance(option, click.Option) or option.hidden:
            continue
        source = ctx.get_parameter_source(option.name) if option.name else None
        if not option.multiple and source is ParameterSource.COMMANDLINE:
            continue
        names = [name for name in listed_flags(option) if name.startswith(begin)]
        found += [CompletionItem(name, help=option.help) for name in names]
    return found


def command_line(ctx: click.Context, words: Sequence[str], incomplete: str) -> list[Any]:
    """Completion of a bertkit command within another's arguments, as of `launch`."""
    from click.shell_completion import ShellComplete

    root = ctx.find_root()
    return ShellComplete(root.command, {}, "bertkit", "").get_completions(list(words), incomplete)
