"""A command's pages: defaults under a preset; suggestions; what is asked for in the environment."""

from __future__ import annotations

import pytest

from bertkit import cli
from bertkit.configuration import config
from bertkit.tasks.registry import presets_of
from tests.command_line.every import command

WITH_PRESETS = ("pretrain", "finetune", "finetune-squad")


def shown_default(page, flag):
    """The default that a page shows of an option."""
    text = " ".join(page.split())
    return text.partition(f"{flag} ")[2].partition("[default: ")[2].partition("]")[0]


@pytest.mark.parametrize(
    "order", ["--preset tiny --help", "--help --preset tiny", "-h --preset=tiny"]
)
def test_defaults_are_those_of_the_preset(bertkit, order):
    page = bertkit("pretrain", *order.split()).out
    assert shown_default(page, "--global-batch-size INTEGER") == "64"
    assert shown_default(page, "--learning-rate FLOAT") == "0.001"
    assert "model.hidden_size 128" in " ".join(page.split())
    assert shown_default(bertkit("pretrain", "--help").out, "--global-batch-size INTEGER") == "32"


def test_a_preset_of_the_environment_counts(bertkit, monkeypatch):
    monkeypatch.setenv("BERTKIT_PRETRAIN_PRESET", "tiny")
    page = bertkit("pretrain", "--help").out
    assert shown_default(page, "--global-batch-size INTEGER") == "64"


@pytest.mark.parametrize("name", WITH_PRESETS)
def test_all_that_a_preset_sets_is_told(name, bertkit):
    for preset in presets_of(name):
        page = " ".join(bertkit(name, "--preset", preset, "--help-all").out.split())
        assert f"with --preset {preset}" in page
        shown = {o.setting: o for o in command(name).params if getattr(o, "setting", "")}
        for key, value in config.flatten(config.load_preset(preset)).items():
            if key not in shown:
                assert f"{key} {value}" in page
            elif key not in ("task", "glue"):
                flag = shown[key].opts[-1]
                assert shown_default(page, flag) == str(value), f"{preset} {key}"


def test_an_unknown_preset_is_named(bertkit):
    run = bertkit("pretrain", "--preset", "tinny", "--help")
    assert run.status == 2 and "Did you mean 'tiny'?" in run.err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_unknown_options_suggest_the_near_one(name, bertkit):
    flags = [max(o.opts, key=len) for o in command(name).params if o.opts[0].startswith("-")]
    flag = max(flags, key=len)
    run = bertkit(name, flag[:-2] + flag[-1] + flag[-2] + "x")
    assert run.status == 2 and f"Did you mean '{flag}'?" in run.err
    assert "Did you mean" not in bertkit(name, "--qqqqqqqqqqqqqq").err


def test_hidden_opposites_are_never_suggested(bertkit):
    assert "'--no-json'" not in bertkit("doctor", "--no-jsno").err
    assert "Did you mean '--no-nsp'?" in bertkit("pretrain", "--no-npss").err


@pytest.mark.parametrize("word", ["-max_steps", "-max-steps=5", "--max_stesp=5"])
def test_long_options_behind_one_hyphen_are_told(bertkit, word):
    run = bertkit("pretrain", word, "5")
    assert run.status == 2 and "Did you mean '--max-steps'?" in run.err
    assert f"No such option '{word.partition('=')[0].replace('--max_', '--max-')}'" in run.err


def test_a_value_that_does_not_count_is_told(bertkit, tmp_path):
    """Of two `--config` the first was dropped in silence."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("limit: 1\n")
    (tmp_path / "a.txt").write_text("One sentence.\n")
    words = ("--config", tmp_path / "a.yaml", "--config", tmp_path / "b.yaml")
    given = ("extract", "--input", tmp_path / "a.txt", "--output", tmp_path / "out", "--dry-run")
    said = bertkit(*given, *words).err
    assert f"--config is given twice, and takes one value: {tmp_path / 'b.yaml'} counts" in said
    assert "is given twice" not in bertkit(*given, *words[:2]).err
