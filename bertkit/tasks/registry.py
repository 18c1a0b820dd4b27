"""The table of training tasks, one row each. Imports no torch and no task.

A task is a package beside this file (see `bertkit.train.task` for what it holds), a row here, and
a command of its own in `bertkit.commands`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TaskRow:
    """What can be said of a task without importing it.

    Attributes:
        name: of its package.
        command: of bertkit, that trains it.
        help: what the command does, in one sentence.
        config: `module:class` of its settings, a `bertkit.train.config.TrainingConfig`.
        run: `module:function` of (settings, adapter), which starts the adapter and trains.
    """

    name: str
    command: str
    help: str
    config: str
    run: str

    def config_class(self) -> Any:
        """The dataclass of its settings."""
        return _load(self.config)

    def runner(self) -> Any:
        """The function that trains."""
        return _load(self.run)


TASKS = (
    TaskRow(
        name="pretraining",
        command="pretrain",
        help="Pretrain a BERT encoder with masked LM and next sentence prediction.",
        config="bertkit.tasks.pretraining.config:PretrainConfig",
        run="bertkit.tasks.pretraining.pretrain:pretrain",
    ),
    TaskRow(
        name="squad",
        command="finetune-squad",
        help="Train, predict and score question answering on SQuAD files.",
        config="bertkit.tasks.squad.config:SquadConfig",
        run="bertkit.tasks.squad.finetune:finetune",
    ),
)


def commands() -> tuple[str, ...]:
    """The commands that train."""
    return tuple(row.command for row in TASKS)


def by_command(command: str) -> TaskRow | None:
    """The task that a command trains, or None."""
    return next((row for row in TASKS if row.command == command), None)


def _load(place: str) -> Any:
    """The object that `module:name` stands for."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
