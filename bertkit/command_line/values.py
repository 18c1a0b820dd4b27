"""What the value of an option can be: a file, a folder, a run, ...; and how the shell completes it.

An option says it by the word that stands for its value on help pages, such as `PATH` or `RUN`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click

# Word on a help page → what the shells' own completion offers.
_NATIVE = {"PATH": "file", "FILE": "file", "DIR": "dir", "VOCAB": "file", "TABLE": "file"}
RUN = "RUN"  # the folder of a run, or a checkpoint
NAMES = ("VOCAB",)  # these may be a name that ships with bertkit
PLACES = (*_NATIVE, RUN)
# What tells a folder of a run, of a checkpoint, and of a model of other programs.
_OF_A_RUN = ("metrics.jsonl", "state.json", "config.json", "seeds.json", "scores.json")
_DEPTH = 3  # folders below what is typed in which runs are looked for
_MOST = 2000  # folders looked at for one press of Tab


# Not of click's `ParamType[str]`: before click 8.4 that class takes no parameter.
class Place(click.types.UnprocessedParamType):
    """A path as text; nothing is checked here, globs and remote places are taken too."""

    def __init__(self, word: str) -> None:
        self.word = word

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Names that ship with bertkit, runs, or what the shell itself finds."""
        from click.shell_completion import CompletionItem

        if self.word in NAMES and incomplete:
            named = [CompletionItem(name) for name in vocabularies() if name.startswith(incomplete)]
            if named and not os.path.exists(incomplete):
                return named
        if self.word == RUN:
            found = [CompletionItem(path, type="path") for path in sorted(runs(incomplete))]
            return found or [CompletionItem(incomplete, type="dir")]
        return [CompletionItem(incomplete, type=_NATIVE[self.word])]


def vocabularies() -> list[str]:
    """Names of the vocabularies that ship with bertkit."""
    import importlib.resources

    found = importlib.resources.files("bertkit_vocab").iterdir()
    return sorted(path.name[:-4] for path in found if path.name.endswith(".txt"))


def runs(begin: str) -> Iterator[str]:
    """Folders of runs, of checkpoints and of models whose path begins so.

    A run's checkpoints are offered once the run itself is typed.
    """
    parent, name = os.path.split(begin)
    if not os.path.isdir(parent or "."):
        return
    level = [parent]
    looked = 0
    for depth in range(_DEPTH):
        deeper: list[str] = []
        for folder in level:
            for path in _folders(folder):
                looked += 1
                if looked > _MOST:
                    return
                if not depth and not os.path.basename(path).startswith(name):
                    continue
                if any(os.path.isfile(os.path.join(path, file)) for file in _OF_A_RUN):
                    yield path
                else:
                    deeper.append(path)
        level = deeper


def _folders(folder: str) -> list[str]:
    """The folders in a folder, hidden ones left out; none of one that cannot be read."""
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
    return sorted(os.path.join(folder, name) for name in names if not name.startswith("."))
