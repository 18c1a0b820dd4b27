"""Every row of the table of tasks stands for something that is there."""

from __future__ import annotations

import inspect

import pytest

from bertkit import cli
from bertkit.errors import UsageError
from bertkit.tasks import registry
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.finetuning.task import FinetuneTask
from bertkit.train.config import TrainingConfig


@pytest.mark.parametrize("row", registry.TASKS, ids=lambda row: row.name)
def test_a_row_names_settings_a_runner_and_a_command(row):
    assert issubclass(row.config_class(), TrainingConfig)
    assert list(inspect.signature(row.runner()).parameters)[:2] == ["config", "adapter"]
    assert cli.COMMANDS[row.command] == row.help
    assert row.config.startswith(f"bertkit.tasks.{row.name}.")


@pytest.mark.parametrize("row", registry.FINETUNING, ids=lambda row: row.name)
def test_a_task_of_finetune_names_its_settings_and_its_class(row):
    kind, task = row.config_class(), row.task_class()
    assert issubclass(kind, FinetuneConfig) and issubclass(task, FinetuneTask)
    assert kind().task == task.name == row.name
    assert registry.finetuning_row(row.name) is row


def test_a_task_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UsageError, match="--task clasify") as error:
        registry.finetuning_row("clasify")
    assert "classify" in error.value.hint


def test_commands_lead_to_their_tasks():
    assert registry.commands() == ("pretrain", "finetune-squad", "finetune")
