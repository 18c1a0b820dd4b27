"""Flags as other programs write them, of every command."""

from __future__ import annotations

import click
import pytest

from bertkit import cli
from bertkit.command_line.words import (
    given_twice,
    last_repeatable,
    plain_flags,
    repeat_flags,
)
from tests.command_line.every import command, options

FLAGS = [(name, o) for name, o in options() if o.is_flag and o.is_bool_flag]
REPEATABLE = [
    (name, option)
    for name, option in options()
    if option.multiple and any(isinstance(p, click.Argument) for p in command(name).params)
]


def given(name, words):
    """(options, arguments) that the parser finds, before anything is checked."""
    found = command(name)
    context = click.Context(found, token_normalize_func=lambda text: text.replace("_", "-"))
    plain = repeat_flags(found, plain_flags(found, words))
    values, _, _ = found.make_parser(context).parse_args(plain)
    return values


def test_every_boolean_flag_takes_true_and_false():
    assert len(FLAGS) > 100
    for name, option in FLAGS:
        for flag in (flag for flag in option.opts if flag.startswith("--")):
            for word, value in (("True", True), ("false", False), ("YES", True), ("0", False)):
                found = given(name, [f"{flag.replace('-', '_').replace('__', '--', 1)}={word}"])
                assert found[option.name] is value, f"{name} {flag}={word}"
        for flag in option.secondary_opts:
            assert given(name, [f"{flag}=True"])[option.name] is False
            assert given(name, [f"{flag}=False"])[option.name] is True


def test_a_word_behind_a_flag_is_its_value_where_the_command_takes_no_words():
    assert given("pretrain", ["--do_lower_case", "True", "--nsp", "False"]) == {
        "do_lower_case": True, "nsp": False
    }  # fmt: skip
    assert plain_flags(command("inspect"), ["--json", "true"]) == ["--json", "true"]  # a file
    with_file = ["--config", "True", "--nsp=no"]
    assert plain_flags(command("pretrain"), with_file) == ["--config", "True", "--no-nsp"]


def test_counted_flags_take_true_and_false():
    assert plain_flags(command("doctor"), ["--verbose=True"]) == ["--verbose"]
    assert plain_flags(command("doctor"), ["--verbose=False"]) == []


def test_values_and_what_follows_two_hyphens_are_left_alone():
    words = ["--set", "nsp=True", "--question", "--nsp=True", "--", "--nsp=True", "a", "b"]
    assert plain_flags(command("pretrain"), words[:2] + words[4:]) == words[:2] + words[4:]
    assert plain_flags(command("predict"), words[2:4]) == words[2:4]
    launch = ["--env", "A=1", "--", "pretrain", "--input", "a", "b"]
    assert repeat_flags(command("launch"), launch) == launch


def test_no_repeatable_flag_swallows_an_argument():
    assert {("download", "names"), ("launch", "env"), ("convert", "allow_missing")} <= {
        (name, option.name) for name, option in REPEATABLE
    }
    for name, option in REPEATABLE:
        arguments = [p for p in command(name).params if isinstance(p, click.Argument)]
        words = [f"word{n}" for n in range(sum(max(1, item.nargs) for item in arguments))]
        value = option.example or "value"
        found = given(name, [option.opts[0], value, *words])
        assert found[option.name] == [value], name
        taken = [found[item.name] for item in arguments]
        flat = [w for item in taken for w in (item if isinstance(item, tuple) else (item,))]
        assert flat == words, name


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("download", "--file a b squad", {"names": ["a", "b"], "name": "squad"}),
        ("download", "squad --file a b", {"names": ["a", "b"], "name": "squad"}),
        ("download", "--from-file a --file b squad",
         {"from_files": ["a"], "names": ["b"], "name": "squad"}),
        ("convert", "--allow-missing a b c", {"allow_missing": ["a", "b"], "source": "c"}),
        ("launch", "--env A=1 B=2 torchrun", {"env": ["A=1", "B=2"], "kind": "torchrun"}),
        ("launch", "torchrun --env A=1 B=2 -- pretrain --set x=1 y=2",
         {"env": ["A=1", "B=2"], "words": ("pretrain", "--set", "x=1", "y=2")}),
        ("compare", "--metric f1 a b", {"metrics": ["f1"], "runs": ("a", "b")}),
        ("inspect", "--vocab v a b", {"vocab": "v", "paths": ("a", "b")}),
        ("extract", "--input a b", {"inputs": ["a", "b"]}),
    ],
)  # fmt: skip
def test_words_behind_repeatable_flags(name, words, expected):
    found = given(name, words.split())
    assert {key: found[key] for key in expected} == expected


def test_download_takes_the_file_of_the_source_that_is_named(bertkit):
    words = ["--file", "train-v1.1.json", "squad-v1.1", "--dry-run"]
    run = bertkit("download", *words, "--json")
    assert run.status == 0 and [f["name"] for f in run.result["files"]] == ["train-v1.1.json"]


def test_sources_are_named_with_hyphens_or_underscores(bertkit):
    run = bertkit("download", "squad_v1.1", "--dry-run", "--json")
    assert run.status == 0 and run.result["name"] == "squad-v1.1"


def test_launch_takes_variables_before_its_kind(bertkit):
    run = bertkit("launch", "--env", "A=1", "torchrun", "--backend", "cpu", "--", "doctor")
    assert run.status == 0 and "A=1" in run.out and "doctor" in run.out


def test_flags_without_a_listed_no_are_turned_off(bertkit):
    run = bertkit("download", "sample", "--dry-run=True", "--json=False")
    assert run.status == 0 and not run.out.startswith("{")
    assert "--no-dry-run" not in bertkit("download", "--help-all").out


def test_the_last_repeatable_option():
    last = last_repeatable(command("extract"), ["--input", "a", "b"])
    assert last is not None and last.name == "inputs"
    assert last_repeatable(command("extract"), ["--input", "a", "--output", "b"]) is None
    assert last_repeatable(command("launch"), ["--env", "A=1", "--", "pretrain"]) is None


def test_the_commands_use_these():
    context = click.Context(cli.main_group, **cli.main_group.context_settings)
    _, _, rest = cli.main_group.resolve_command(
        context, ["pretrain", "--nsp=False", "--input", "a", "b"]
    )
    assert rest == ["--no-nsp", "--input", "a", "--input", "b"]


def test_values_that_do_not_count_are_found():
    schema = command("pretrain")
    words = "--config a.yaml --lr 1 --config=b.yaml --learning-rate 2 --lr=2 --input x --input y"
    assert given_twice(schema, [*words.split(), "--seed", "1", "--seed", "1", "-v", "-v"]) == [
        ("--config", "a.yaml", "b.yaml"),
        ("--learning-rate", "1", "2"),
    ]
