"""Commands that do not exist."""

from __future__ import annotations

import pytest

from bertkit import cli
from bertkit.command_line import suggestions


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("pretrian", "pretrain"), ("make_record", "make-records"), ("train", "pretrain"),
        ("run_squad", "finetune-squad"), ("Doctor", "doctor"), ("help", "--help"),
    ],
)  # fmt: skip
def test_the_near_command_is_suggested(word, meant, bertkit):
    run = bertkit(word)
    assert run.status == 2 and run.out == ""
    assert f"No such command '{word}'." in run.err and f"'bertkit {meant}'" in run.err


def test_nothing_is_suggested_where_nothing_is_near(bertkit):
    assert bertkit("qqqqq").err.splitlines()[-1] == "Error: No such command 'qqqqq'."


def test_what_is_suggested_exists():
    for command in suggestions._ELSEWHERE.values():
        assert command.startswith("--") or command.split()[0] in cli.COMMANDS
    assert not set(suggestions._ELSEWHERE) & set(cli.COMMANDS)


def test_flags_of_other_programs():
    known = ["--input", "--input-prefix", "--micro-batch-size", "--global-batch-size", "--seed"]
    assert suggestions.nearest_option("--input_file", known) == ["--input"]
    assert suggestions.nearest_option("--train_batch_size", known) == ["--global-batch-size"]
    assert suggestions.nearest_option("--train_batch_size", known[:3]) == ["--micro-batch-size"]
    assert suggestions.nearest_option("--sed", known) == ["--seed"]
    assert suggestions.nearest_option("--qqqq", known) == []


@pytest.mark.parametrize(
    ("flag", "here"),
    [("--model_name_or_path", "--init-checkpoint"), ("--tokenizer-name", "--vocab")],
)
def test_flags_of_other_programs_are_told_however_far_in_letters(flag, here, bertkit):
    """click 8.5 suggests only what is near in letters; older ones have another wording."""
    run = bertkit("pretrain", flag, "x")
    name = flag.replace("_", "-")
    assert run.status == 2 and run.out == ""
    assert run.err.splitlines()[-1] == f"Error: No such option '{name}'. Did you mean '{here}'?"
