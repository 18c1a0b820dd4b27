"""`bertkit schema`: to stdout, to a file; and the files that it describes are read."""

from __future__ import annotations

import json

import click
import pytest

from bertkit import cli
from bertkit.config_schema.commands import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_a_flag_or_is_nested(bertkit, command):
    schema = json.loads(bertkit("schema", command).out)
    options = cli.main_group.get_command(click.Context(cli.main_group), command).params
    flags = {option.name for option in options}
    for name, value in schema["properties"].items():
        assert name in flags or name == "description" or "properties" in value, name


def test_every_command_with_settings_has_one():
    for name in cli.COMMANDS:
        command = cli.main_group.get_command(click.Context(cli.main_group), name)
        takes = any("--config" in option.opts for option in command.params)
        assert takes == (name in COMMANDS), name


def test_a_file_is_written_and_named(bertkit, tmp_path):
    place = tmp_path / "schema.json"
    assert bertkit("schema", "split", "--output", place, "--json").result["output"] == str(place)
    assert bertkit("schema", "split", "--output", place).out == f"{place}\n"
    assert json.loads(place.read_text())["properties"]["valid"]["default"] == 0.05


def test_a_file_that_cannot_be_written_is_one_line(bertkit, tmp_path):
    run = bertkit("schema", "split", "--output", tmp_path / "none" / "schema.json")
    assert run.status in (0, 1)
    assert "Traceback" not in run.err


def test_a_preset_is_a_settings_file(bertkit, tmp_path):
    place = tmp_path / "mine.yaml"
    place.write_text("description: one in five\nvalid: 0.2\n")
    (tmp_path / "docs.txt").write_text("One sentence.\nTwo sentences.\n\nAnother one.\n")
    words = ["split", "--input", tmp_path / "docs.txt", "--output", tmp_path / "out"]
    assert bertkit(*words, "--config", place, "--dry-run").status == 0
    place.write_text("description: one in five\nvalidd: 0.2\n")
    assert "unknown setting (did you mean 'valid'?)" in bertkit(*words, "--config", place).err
