"""Says what was probably meant by a command, or an option, that does not exist."""

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

# Flags of other programs whose nearest one in letters means something else, or is not near: the
# rest of docs/coming-from.md. Flag → the option, where the command has it.
_FLAGS = {
    "bert-config-file": "config",
    "config-name": "config",
    "do-whole-word-mask": "whole-word-mask",
    "eval-steps": "eval-every",
    "gradient-accumulation-steps": "global-batch-size",
    "input-file": "input",
    "input-files": "input",
    "keep-checkpoint-max": "keep-last",
    "logging-steps": "log-every",
    "lr-scheduler-type": "schedule",
    "model-name-or-path": "init-checkpoint",
    "num-train-steps": "max-steps",
    "per-device-train-batch-size": "micro-batch-size",
    "random-seed": "seed",
    "save-checkpoints-steps": "save-every",
    "save-steps": "save-every",
    "save-total-limit": "keep-last",
    "tokenizer-name": "vocab",
    "train-batch-size": "global-batch-size",
    "train-file": "input",
    "validation-file": "eval-input",
    "warmup-ratio": "warmup-proportion",
}


def nearest_option(name: str, known: Sequence[str]) -> list[str]:
    """The option that another program's flag is here, or the one that is nearest; or none.

    Args:
        name: as it was typed.
        known: the options of the command, such as `--input`.
    """
    import difflib

    word = hyphens(name).lstrip("-")
    here = f"--{_FLAGS.get(word, '')}"
    return [here] if here in known else difflib.get_close_matches(f"--{word}", known, n=1)


def unknown_command(word: str, commands: Sequence[str]) -> str:
    """That there is no such command, and the one that is nearest or that does this here."""
    import difflib

    name = hyphens(word.lower())
    near = [_ELSEWHERE[name]] if name in _ELSEWHERE else difflib.get_close_matches(name, commands)
    meant = " or ".join(f"'bertkit {command}'" for command in near)
    return f"No such command '{word}'." + (f" Did you mean {meant}?" if meant else "")
