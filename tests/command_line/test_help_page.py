"""Help pages: groups, no line wider than the terminal, commands that stay commands."""

from __future__ import annotations

import shlex

import click
import pytest

from bertkit import cli
from bertkit.command_line.help_page import FEW, folded, in_groups
from bertkit.configuration.option_groups import ORDER, OTHERS
from tests.command_line.every import command, options

TITLES = [f"{group}:" for group in ORDER]


def test_every_option_of_every_command_has_a_group():
    assert [f"{name} {o.opts}" for name, o in options() if o.group == OTHERS] == []
    assert {option.group for _, option in options()} <= set(ORDER)


def test_an_option_without_a_group_is_listed_last():
    option = click.Option(["--stray"], help="Lost.")
    known = command("pretrain").params[:3]
    assert in_groups([option, *known])[-1] == (OTHERS, [option])


@pytest.mark.parametrize("name", ["", *cli.COMMANDS])
@pytest.mark.parametrize("columns", [72, 80, 120])
def test_no_line_is_wider_than_the_terminal(name, columns, bertkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for flag in ("--help", "--help-all"):
        lines = bertkit(*([name] if name else []), flag).out.splitlines()
        assert [line for line in lines if len(line) > columns] == []
        assert len(lines) > 10


def test_pages_have_the_groups_in_order(bertkit):
    lines = bertkit("pretrain", "--help-all").out.splitlines()
    sections = [line[:-1] for line in lines if line in TITLES]
    assert sections == [
        "Recipe", "Data", "Text", "Records", "Model", "Optimization", "Checkpoints", "Evaluation",
        "Machine", "Output", "Help",
    ]  # fmt: skip
    optimization = lines[lines.index("Optimization:") : lines.index("Checkpoints:")]
    assert any("--lr, --learning-rate" in line for line in optimization)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_shows_what_people_need_first_and_help_all_the_rest(name, bertkit):
    def listed(flag):
        lines = bertkit(name, flag).out.splitlines()
        lines = lines[next(n for n, line in enumerate(lines) if line in TITLES) :]
        return [line.split()[0].rstrip(",") for line in lines if line.startswith("  -")]

    short, whole = listed("--help"), listed("--help-all")
    declared = [o for o in command(name).params if isinstance(o, click.Option)]
    assert len(whole) == len(declared) + 2
    assert set(short) <= set(whole) and len(short) <= FEW + 2
    assert ("more options" in bertkit(name, "--help").out) == (len(short) < len(whole))
    for option in (option for option in declared if option.required):
        assert set(option.opts) & set(short), f"{name} --help leaves {option.opts} out"


@pytest.mark.parametrize("width", [56, 60, 76])
def test_folded_commands_are_the_same_commands(width):
    lines = [
        "  bertkit predict --init-checkpoint runs/squad --question 'Who built the bridge?' \\",
        '    --passage "The bridge in London" --json',
        "  bertkit doctor",
    ]
    text = "\n".join(folded(lines, width))
    expected = [shlex.split(part) for part in "\n".join(lines).replace("\\\n", " ").split("\n")]
    assert [shlex.split(part) for part in text.replace("\\\n", " ").split("\n")] == expected
    assert all(len(line) <= width for line in text.splitlines())
    assert "--question 'Who built the bridge?'" in text


def test_folded_lists_go_on_below_their_text():
    found = folded(["  slurm       a batch script that queues itself again"], 36)
    assert found == ["  slurm       a batch script that", "              queues itself again"]
