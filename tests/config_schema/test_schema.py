"""Editors' view of settings files: what the schema accepts is what bertkit accepts."""

from __future__ import annotations

import dataclasses

import jsonschema
import pytest

from bertkit.config_schema.commands import COMMANDS, settings_of
from bertkit.config_schema.schema import json_schema
from bertkit.configuration import config
from bertkit.errors import UsageError
from bertkit.storage.files import package_file
from bertkit.tasks.registry import TASKS, presets_of

TRAINING = [row.command for row in TASKS]
NEEDED = {
    "task": "classify",
    "output": "out",
    "input": ["in"],
    "init_checkpoint": "model",
    "train_file": "train",
    "predict_file": "dev",
}
VALUES = (True, 0, -3, 7, 0.5, "text", "1e-4", "", None, [], [2], ["text"], {"a": 1})


def validator(command: str) -> jsonschema.Draft7Validator:
    schema = json_schema(settings_of(command), command)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def complaints(command: str, values: object) -> list[str]:
    return [error.json_path for error in validator(command).iter_errors(values)]


@pytest.mark.parametrize(
    ("command", "preset"), [(name, preset) for name in TRAINING for preset in presets_of(name)]
)
def test_presets_fit(command, preset):
    assert complaints(command, config.load_yaml(package_file("presets", f"{preset}.yaml"))) == []


def test_no_preset_is_forgotten():
    assert sorted(name for row in TRAINING for name in presets_of(row)) == config.preset_names()


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_as_a_run_writes_them_fit(command, tmp_path):
    kind = settings_of(command)
    names = {item.name for item in dataclasses.fields(kind)}
    given = {name: value for name, value in NEEDED.items() if name in names}
    settings = config.as_dict(config.resolve(kind, [config.Layer("test", given)]).config)
    place = tmp_path / "config.yaml"
    place.write_text(config.dump_whole_yaml(settings), encoding="utf-8")
    assert complaints(command, config.load_yaml(place)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_what_it_accepts_bertkit_accepts(command):
    check = validator(command)
    known = config._leaf_fields(settings_of(command))
    accepted = 0
    for key in known:
        for value in VALUES:
            nested: object = value
            for name in reversed(key.split(".")):
                nested = {name: nested}
            if check.is_valid(nested):
                accepted += 1
                assert config._take(key, value, known)[1] == "", (key, value)
    assert accepted > len(known)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"max_stepz": 3}, "$"),
        ({"model": {"hidden": 3}}, "$.model"),
        ({"max_steps": "many"}, "$.max_steps"),
        ({"optimizer": "adam"}, "$.optimizer"),
        ({"masked_lm_prob": 0.2, "model": {"hidden_dropout_prob": 2}}, None),
        ({"bucket_boundaries": ["long"]}, "$.bucket_boundaries"),
    ],
)
def test_mistakes_are_marked_by_both(values, path):
    found = complaints("pretrain", values)
    assert path in found if path else found
    with pytest.raises(config.ConfigError):
        config.resolve(settings_of("pretrain"), [config.Layer("file", {**values, "output": "x"})])


def test_commands_without_settings_are_refused():
    with pytest.raises(UsageError, match="doctor takes no --config"):
        settings_of("doctor")
