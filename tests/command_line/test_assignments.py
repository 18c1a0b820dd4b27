"""What `--set` completes to is a setting that the command has, and a value that it takes."""

from __future__ import annotations

import dataclasses
import typing

import click
import pytest

from bertkit.command_line.assignments import Assignment
from bertkit.configuration.config import Layer, parse_assignments, resolve
from bertkit.configuration.settings import default_values
from bertkit.corpus.config import ExtractConfig
from bertkit.errors import ConfigError
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.pretraining.config import PretrainConfig


def completed(kind, begin=""):
    option = click.Option(["--set"], type=Assignment(kind))
    return option.type.shell_complete(click.Context(click.Command("x")), option, begin)


@pytest.mark.parametrize("kind", [PretrainConfig, ClassifyConfig, ExtractConfig])
def test_every_setting_is_offered_and_no_other(kind):
    def below(before=""):
        for item in completed(kind, before):
            assert item.type == "key"
            if item.value.endswith("."):
                yield from below(item.value)
            else:
                yield item.value.removesuffix("=")

    needed = {
        item.name for item in dataclasses.fields(kind) if item.default is item.default_factory
    }
    assert {*below()} == default_values(kind).keys() | needed


@pytest.mark.parametrize("kind", [PretrainConfig, ClassifyConfig, ExtractConfig])
def test_every_value_that_is_offered_is_taken(kind):
    tried = 0
    for key in default_values(kind):
        for item in completed(kind, f"{key}="):
            if item.type != "plain" or not item.behind:
                continue
            given = parse_assignments([f"{key}={item.value}"])
            values = {"output": "o"} if "output" in typing.get_type_hints(kind) else {}
            try:
                resolve(kind, [Layer("test", values), Layer("--set", given)])
            except ConfigError as error:  # it may ask for another setting
                assert "expected" not in error.message, item.value
            tried += 1
    assert tried > 5


def test_values_begin_as_typed_and_unknown_keys_have_none():
    assert [item.value for item in completed(PretrainConfig, "model.hidden_act=gelu_")] == [
        "gelu_new"
    ]
    assert completed(PretrainConfig, "model=") == completed(PretrainConfig, "model.no.such") == []
    assert completed(PretrainConfig, "seed=1") == []
