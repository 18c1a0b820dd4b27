"""Lists the commands that take `--config FILE`, with the dataclass of their settings."""

from __future__ import annotations

import importlib
from typing import Any

from bertkit.errors import UsageError
from bertkit.tasks.finetuning import choice
from bertkit.tasks.registry import TASKS

# Command → `module:class`, of those that are no task.
_PLACES = {
    "extract": "bertkit.corpus.config:ExtractConfig",
    "clean": "bertkit.corpus.cleaning.config:CleanConfig",
    "split": "bertkit.corpus.config:SplitConfig",
    "make-records": "bertkit.records.config:RecordsConfig",
    "eval": "bertkit.tasks.pretraining.config:EvalConfig",
    "predict": "bertkit.tasks.squad.config:PredictConfig",
}
COMMANDS = (*_PLACES, *(row.command for row in TASKS))


def settings_of(command: str) -> Any:
    """The dataclass of a command's settings; for `finetune` those of all its tasks.

    Raises:
        UsageError: the command takes no configuration, or does not exist.
    """
    if command == "finetune":
        return choice.all_settings()
    for row in TASKS:
        if row.command == command:
            return row.config_class()
    if command not in _PLACES:
        raise UsageError(f"{command} takes no --config", f"these do: {', '.join(COMMANDS)}")
    module, _, name = _PLACES[command].partition(":")
    return getattr(importlib.import_module(module), name)
