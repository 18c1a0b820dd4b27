"""The table of training tasks, one row each. Imports no torch and no task.

A task is a package beside this file (see `bertkit.train.task` for what it holds), a row here, and
a command of its own in `bertkit.commands`. The tasks of `bertkit finetune` share a room, a command
and a row; what differs stands in a table of its own (see `bertkit.tasks.finetuning.task`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from bertkit.configuration.config import preset_names
from bertkit.errors import UsageError
from bertkit.model.model_types import CLASSIFICATION, SENTENCES, TOKEN_CLASSIFICATION


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What can be said of any task without importing it.

    Attributes:
        name: of its package, or for `--task`.
        help: what the command does, or what the task learns.
        config: `module:class` of its settings, a `bertkit.train.config.TrainingConfig`.
        presets: what the names of its presets begin with; all others are of pretraining.
    """

    name: str
    help: str
    config: str
    presets: tuple[str, ...] = ()

    def config_class(self) -> Any:
        """The dataclass of its settings; imports no torch."""
        return _load(self.config)


@dataclass(frozen=True, kw_only=True)
class TaskRow(_Row):
    """A task with a command of its own.

    Attributes:
        command: of bertkit, that trains it.
        run: `module:function` of (settings, adapter), which starts the adapter and trains.
    """

    command: str
    run: str

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
        presets=("squad-",),
    ),
    TaskRow(
        name="finetuning",
        command="finetune",
        help="Fine-tune an encoder on your own examples; score it, predict with it.",
        config="bertkit.tasks.finetuning.config:FinetuneConfig",
        run="bertkit.tasks.finetuning.run:finetune",
    ),
)


@dataclass(frozen=True, kw_only=True)
class FinetuningRow(_Row):
    """A task of `bertkit finetune`; its settings are a `FinetuneConfig`.

    Attributes:
        task: `module:class` of the task, a `bertkit.tasks.finetuning.task.FinetuneTask`.
        model: class of its model, as config.json names it.
    """

    task: str
    model: str = ""

    def task_class(self) -> Any:
        """The class of the task."""
        return _load(self.task)


FINETUNING = (
    FinetuningRow(
        name="classify",
        help="a label, or several, for a text or a pair of texts",
        config="bertkit.tasks.classify.config:ClassifyConfig",
        task="bertkit.tasks.classify.classify:ClassifyTask",
        model=CLASSIFICATION,
        presets=("glue-",),
    ),
    FinetuningRow(
        name="regress",
        help="a score for a text or a pair of texts",
        config="bertkit.tasks.classify.config:RegressConfig",
        task="bertkit.tasks.classify.regress:RegressTask",
        model=CLASSIFICATION,
        presets=("glue-",),
    ),
    FinetuningRow(
        name="summarise",
        help="the sentences of a document that make its summary",
        config="bertkit.tasks.summarise.config:SummariseConfig",
        task="bertkit.tasks.summarise.summarise:SummariseTask",
        model=SENTENCES,
    ),
    FinetuningRow(
        name="tag",
        help="a tag for every word of a sentence, such as the parts of named entities",
        config="bertkit.tasks.tag.config:TagConfig",
        task="bertkit.tasks.tag.tag:TagTask",
        model=TOKEN_CLASSIFICATION,
        presets=("ner",),
    ),
)


def finetuning_names() -> tuple[str, ...]:
    """The words for `--task`."""
    return tuple(row.name for row in FINETUNING)


def finetuning_row(name: str) -> FinetuningRow:
    """The row of a task of `bertkit finetune`.

    Raises:
        UsageError: there is no such task.
    """
    found = next((row for row in FINETUNING if row.name == name), None)
    if found is None:
        words = ", ".join(finetuning_names())
        given = f"--task {name}: there is no such task" if name else "--task is missing"
        raise UsageError(given, f"tasks: {words}")
    return found


def commands() -> tuple[str, ...]:
    """The commands that train."""
    return tuple(row.command for row in TASKS)


def presets_of(command: str) -> list[str]:
    """The presets of a command that trains; those that nobody claims are of pretraining."""
    claims = {row.command: row.presets for row in TASKS}
    claims["finetune"] = tuple(prefix for row in FINETUNING for prefix in row.presets)
    every = tuple(prefix for prefixes in claims.values() for prefix in prefixes)
    own = claims[command]
    return [name for name in preset_names() if name.startswith(own or every) == bool(own)]


def _load(place: str) -> Any:
    """The object that `module:name` stands for."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
