"""Words to choose among: one spelling shown, hyphens and underscores taken."""

from __future__ import annotations

import click
import pytest

from bertkit.command_line.choice import Choice
from bertkit.command_line.words import hyphens
from tests.command_line.every import command, options

CHOICES = [(name, option) for name, option in options() if isinstance(option.type, click.Choice)]


def test_every_word_is_taken_in_both_spellings_and_shown_in_one():
    assert len(CHOICES) > 30
    for name, option in CHOICES:
        assert isinstance(option.type, Choice), f"{name} {option.opts}"
        context = click.Context(command(name), token_normalize_func=hyphens)
        page = f"{option.flags(context)} {option.text(context)}"
        for word in option.type.choices:
            assert word in page, f"{name} --help-all does not show {word}"
            for spelled in (word, word.replace("_", "-"), word.replace("-", "_")):
                assert option.type.convert(spelled, option, context) == word
            others = {word.replace("_", "-"), word.replace("-", "_")} - {word}
            listed = option.flags(context) + page.partition("One of")[2]
            assert not [other for other in others if other in listed]


def test_a_wrong_word_is_refused_with_the_nearest(bertkit):
    err = bertkit("pretrain", "--optimizer", "max-wieght-norm").err
    assert "'max_weight_norm'" in err and "Did you mean 'max_weight_norm'?" in err
    assert "Intel" in bertkit("pretrain", "--backend", "xpu").err or "accel" in err


@pytest.mark.parametrize("spelled", ["max-weight-norm", "max_weight_norm"])
@pytest.mark.parametrize("place", ["flag", "set", "file", "environment"])
def test_settings_hold_the_one_spelling(bertkit, tmp_path, monkeypatch, spelled, place):
    file = tmp_path / "config.yaml"
    file.write_text(f"optimizer: {spelled}\n")
    words = {
        "flag": ["--optimizer", spelled], "set": ["--set", f"optimizer={spelled}"],
        "file": ["--config", file], "environment": [],
    }[place]  # fmt: skip
    if place == "environment":
        monkeypatch.setenv("BERTKIT_PRETRAIN_OPTIMIZER", spelled)
    from bertkit.commands import options as shared
    from bertkit.tasks.pretraining.config import PretrainConfig

    found = {}

    @click.command()
    @shared.config_options(PretrainConfig)
    def probe(**given):
        found["config"] = shared.resolved(PretrainConfig, given).config

    needed = ["--input", "x", "--output", "y"]
    settings = {"auto_envvar_prefix": "BERTKIT_PRETRAIN", "token_normalize_func": hyphens}
    probe.main([*map(str, words), *needed], standalone_mode=False, **settings)
    assert found["config"].optimizer == "max_weight_norm"
