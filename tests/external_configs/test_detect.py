"""Which files belong to another system."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import as_dict, dump_yaml
from bertkit.errors import ConfigError
from bertkit.external_configs.detect import SYSTEMS, translate_file
from bertkit.tasks.pretraining.config import PretrainConfig


def test_our_own_yaml_is_left_alone(tmp_path):
    (tmp_path / "own.yaml").write_text("learning_rate: 1e-4\nmodel: {hidden_size: 64}\n")
    assert translate_file(str(tmp_path / "own.yaml")) is None


def test_a_run_of_ours_is_not_taken_for_another_systems(tmp_path):
    """The config.yaml of a run names a model, an optimizer and an eval_input too."""
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(as_dict(PretrainConfig(input=["a"], eval_input=["b"], output="c"))))
    assert translate_file(str(path)) is None


def test_a_preset_is_asked_of_a_file_that_has_presets(tmp_path):
    (tmp_path / "own.yaml").write_text("learning_rate: 1e-4\n")
    with pytest.raises(ConfigError, match="has no presets"):
        translate_file(f"{tmp_path / 'own.yaml'}:phase1")


def test_broken_json_is_named(tmp_path):
    (tmp_path / "broken.json").write_text('{"hidden_size": 1')
    with pytest.raises(ConfigError, match=r"broken\.json: not JSON"):
        translate_file(str(tmp_path / "broken.json"))


def test_rows_are_told_apart_by_title_and_have_a_syntax_that_is_parsed():
    assert len({system.title for system in SYSTEMS}) == len(SYSTEMS)
    assert {system.syntax for system in SYSTEMS} == {"text", "json", "yaml"}
