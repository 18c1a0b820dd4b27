"""Says what was probably meant by a command that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from bertkit.command_line.words import hyphens

# What other programs call it → the command.
_ELSEWHERE = {
    "train": "pretrain",
    "pre-train": "pretrain",
    "run-pretraining": "pretrain",
    "create-pretraining-data": "make-records",
    "tokenize": "make-records",
    "records": "make-records",
    "vocab": "train-vocab",
    "evaluate": "eval",
    "validate": "eval",
    "run-squad": "finetune-squad",
    "squad": "finetune-squad",
    "run-classifier": "finetune",
    "run-glue": "finetune",
    "fine-tune": "finetune",
    "export": "convert",
    "plot": "report",
    "show": "inspect",
    "list": "download --list",
    "dedup": "clean",
    "deduplicate": "clean",
    "info": "doctor",
    "env": "doctor",
    "help": "--help",
    "version": "--version",
}


def unknown_command(word: str, commands: Sequence[str]) -> str:
    """That there is no such command, and the one that is nearest or that does this here."""
    import difflib

    name = hyphens(word.lower())
    near = [_ELSEWHERE[name]] if name in _ELSEWHERE else difflib.get_close_matches(name, commands)
    meant = " or ".join(f"'bertkit {command}'" for command in near)
    return f"No such command '{word}'." + (f" Did you mean {meant}?" if meant else "")
