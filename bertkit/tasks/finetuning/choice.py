"""Decides which task `bertkit finetune` runs, and which options belong to it. Imports no torch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.configuration.config import Layer, load_preset, parse_assignments
from bertkit.configuration.settings import override, union
from bertkit.errors import ConfigError, UsageError
from bertkit.tasks.finetuning.config import FinetuneConfig, settings_of_run
from bertkit.tasks.registry import FINETUNING, finetuning_names, finetuning_row


@dataclass(frozen=True)
class _TaskName:
    """The first of the options; no task is a default."""

    task: str = override(FinetuneConfig, "task")


@functools.cache
def all_settings() -> Any:
    """A dataclass with the settings of every task, for the options of the command."""
    return union("AnyTask", [_TaskName, *(row.config_class() for row in FINETUNING)])


def chosen_config(
    given: Mapping[str, Any], preset: str | None, file_values: Mapping[str, Any]
) -> type[FinetuneConfig]:
    """The settings' class of the task in force.

    `--task` or `--set task=` decides, then the file of `--config`, the preset, and the run that
    trained the checkpoint.

    Args:
        given: the command's keyword arguments.
        preset: its name.
        file_values: settings of the `--config` file.

    Raises:
        UsageError: no task is named, there is no such one, or options of another are given.
    """
    assigned = parse_assignments(given.get("assignments") or (), quiet=True)
    name = assigned.get("task") or given.get("task") or file_values.get("task")
    if not name and preset:
        name = load_preset(preset).get("task")
    for place in (given.get("init_checkpoint"), given.get("output")):
        for layer in () if name else settings_of_run(place, ("task",)):
            name = layer.values.get("task")
    trains = given.get("train_file") or file_values.get("train_file")
    if not (name or trains) and (place := given.get("init_checkpoint") or given.get("output")):
        raise UsageError(
            f"{place} is no run of `bertkit finetune`, and --task is missing",
            "--init-checkpoint names the model to predict with; --train-file trains one; tasks: "
            + ", ".join(finetuning_names()),
        )
    if not name:
        raise UsageError("--task is missing", f"tasks: {', '.join(finetuning_names())}")
    kind: type[FinetuneConfig] = finetuning_row(str(name)).config_class()
    known = {item.name for item in dataclasses.fields(kind)}
    every = {item.name for item in dataclasses.fields(all_settings())}
    for option, value in given.items():
        if option in every - known and value not in (None, ()):
            owners = [
                row.name
                for row in FINETUNING
                if option in {item.name for item in dataclasses.fields(row.config_class())}
            ]
            flag = "--" + option.replace("_", "-")
            raise UsageError(f"{flag} is for --task {' or '.join(owners)}, not for {name}")
    return kind


def own_options(given: Mapping[str, Any], kind: type[FinetuneConfig]) -> dict[str, Any]:
    """The keyword arguments without those of other tasks, which `chosen_config` found unused."""
    known = {item.name for item in dataclasses.fields(kind)}
    others = {item.name for item in dataclasses.fields(all_settings())} - known
    return {name: value for name, value in given.items() if name not in others}


def predicting_config(
    model: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[type[FinetuneConfig], list[Layer]]:
    """The settings' class for `bertkit predict`, and the settings of the run behind the model.

    Args:
        model: its settings, see `bertkit.tasks.finetuning.predict.settings_of_model`.
        given: the command's keyword arguments.

    Raises:
        ConfigError: it was not fine-tuned.
        UsageError: an option of question answering.
    """
    place, task = given.get("init_checkpoint"), str(model.get("task") or "")
    if not task:
        raise ConfigError(
            f"{place} was not fine-tuned to label texts" if place else "no model is given",
            "give --init-checkpoint, a model of `bertkit finetune`",
        )
    kind: type[FinetuneConfig] = finetuning_row(task).config_class()
    known = {item.name for item in dataclasses.fields(kind)} | {"assignments", "config_file"}
    for option, value in given.items():
        if option not in known and value not in (None, ()) and not _nested(kind, option):
            flag = "--" + option.replace("_", "-")
            raise UsageError(f"{flag} is for models that answer questions, this one is of {task}")
    # Nothing is written, and what is to be predicted does not come from a file.
    here = Layer("model", {**model, "output": ".", "predict_file": ["standard input"]})
    return kind, [here, *settings_of_run(place, kind.of_the_run)]


def require_answers(place: str) -> None:
    """Refuse a run of `finetune` as a model that answers questions.

    Raises:
        ConfigError: it is one.
    """
    for layer in settings_of_run(place, ("task",)):
        if task := layer.values.get("task"):
            raise ConfigError(
                f"{place} was fine-tuned for --task {task}, not to answer questions",
                "give --text instead, or a model of `bertkit finetune-squad`",
            )


def _nested(kind: type, option: str) -> bool:
    return any(option in item.metadata.get("options", ()) for item in dataclasses.fields(kind))
