"""What options declare: groups, examples, places."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

from bertkit.command_line.option import Option, default_text
from tests.command_line.every import command, options

ROOT = Path(__file__).resolve().parents[2]


def test_every_option_of_free_text_has_an_example():
    assert [
        f"{name} {o.opts[-1]}" for name, o in options() if o.needs_example and not o.example
    ] == []


def test_every_example_is_taken():
    rows = [(name, option) for name, option in options() if option.example]
    assert len(rows) > 40
    for name, option in rows:
        context = click.Context(command(name))
        value = option.type_cast_value(
            context, (option.example,) if option.multiple else option.example
        )
        assert value, f"{name} {option.opts}"


def test_the_generated_page_has_the_groups_and_the_examples():
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["page"]()
    sections = {part.partition("\n")[0]: part for part in page.split("\n## bertkit ")[1:]}
    for name, option in options():
        group = sections[name].partition(f"### {option.group}\n")[2].partition("\n### ")[0]
        row = next(
            line for line in group.splitlines() if re.search(rf"{option.opts[-1]}(?![\w-])", line)
        )
        if option.example:
            assert shlex.quote(option.example).replace("|", "\\|") in row


def test_defaults_for_people():
    assert [default_text(value) for value in (True, False, None, 1e-06, [1, 2], "a", 0)] == [
        "on", "off", "", "1e-06", "1, 2", "a", "0"
    ]  # fmt: skip


def test_a_flag_has_an_opposite_that_no_page_lists():
    option = Option(["--check"], is_flag=True, help="Look.")
    assert option.secondary_opts == ["--no-check"]
    assert option.flags(click.Context(click.Command("x"))) == "--check"


@pytest.mark.parametrize("flag", ["--input", "--output", "--config"])
def test_an_empty_path_is_refused(flag, bertkit, tmp_path, monkeypatch):
    """As of `--output "$OUT"` where OUT is not set: the folder one is in was taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("One sentence.\n")
    words = ["--input", "a.txt", "--output", "out", flag, ""]
    done = bertkit("extract", *words)
    assert done.status == 2 and flag in done.err and "the path is empty" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_path_that_is_empty_by_default_may_be_given_as_such(bertkit, tmp_path):
    (tmp_path / "a.txt").write_text("One sentence.\n")
    words = ("--input", tmp_path / "a.txt", "--output", tmp_path / "out", "--input-prefix", "")
    assert bertkit("extract", *words).status == 0
