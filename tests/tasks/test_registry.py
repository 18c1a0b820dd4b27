"""Every row of the table of tasks stands for something that is there."""

from __future__ import annotations

import inspect

import pytest

from bertkit import cli
from bertkit.tasks import registry
from bertkit.train.config import TrainingConfig


@pytest.mark.parametrize("row", registry.TASKS, ids=lambda row: row.name)
def test_a_row_names_settings_a_runner_and_a_command(row):
    assert issubclass(row.config_class(), TrainingConfig)
    assert list(inspect.signature(row.runner()).parameters)[:2] == ["config", "adapter"]
    assert cli.COMMANDS[row.command] == row.help
    assert row.config.startswith(f"bertkit.tasks.{row.name}.")


def test_commands_lead_to_their_tasks():
    assert registry.commands() == ("pretrain", "finetune-squad")
    assert registry.by_command("finetune-squad").name == "squad"
    assert registry.by_command("eval") is None
