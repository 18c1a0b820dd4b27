"""Flags from configuration dataclasses, and the end of a command."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass, field

import click
import pytest
from click.testing import CliRunner

from bertkit import log
from bertkit.commands import options
from bertkit.configuration.config import setting


@dataclass(frozen=True)
class Inner:
    width: int = setting(4, help="How wide.", minimum=1)
    hidden: int = setting(7, help="No flag of its own.")


@dataclass(frozen=True)
class Config:
    name: str = setting(help="What it is called.")
    rate: float = setting(0.5, help="How fast.", flags=("--speed",), maximum=1.0)
    lower: bool = setting(True, help="Make it small.", off="--cased")
    kind: str = setting("a", help="Which.", choices=("a", "b"))
    items: list[str] = setting(factory=list, help="Several.")
    inner: Inner = field(default_factory=Inner, metadata={"options": ("width",)})


@click.command()
@options.config_options(Config)
@options.count_option("--count", 3, "How many.", minimum=2)
@options.common_options
def command(as_json, count, **given):
    found = options.resolved(Config, given)
    assert given == {}
    values = {"count": count, "config": vars(found.config) | {"inner": vars(found.config.inner)}}
    options.finish({**values, "origins": found.origins}, as_json, "text", "what next")


def run(*words, env=None):
    settings = {"auto_envvar_prefix": "T"}
    return CliRunner().invoke(command, [*words], env=env, standalone_mode=False, **settings)


def result(*words, env=None):
    done = run(*words, "--json", env=env)
    assert done.exception is None, done.exception
    return json.loads(done.stdout.splitlines()[-1])


def test_every_field_is_a_flag_of_its_type():
    found = result(
        *("--name", "n", "--speed", "0.25", "--cased", "--kind", "b", "--items", "x"),
        *("--items", "y", "--width", "9"),
    )["config"]
    inner = {"width": 9, "hidden": 7}
    assert found == {
        "name": "n", "rate": 0.25, "lower": False, "kind": "b", "items": ["x", "y"], "inner": inner
    }  # fmt: skip


def test_the_layers_of_a_value(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("name: file\nrate: 0.1\nlower: false\ninner: {hidden: 1, width: 2}\n")
    found = result(
        *("--config", str(file), "--rate", "0.3", "--set", "inner.hidden=3"),
        env={"T_RATE": "0.2", "T_LOWER": "true"},
    )
    inner = {"width": 2, "hidden": 3}
    expected = {"name": "file", "rate": 0.3, "lower": True, "kind": "a", "items": []}
    assert found["config"] == {**expected, "inner": inner}
    assert found["origins"] == {
        "name": str(file), "rate": "command line", "lower": "environment",
        "inner.hidden": "--set", "inner.width": str(file),
    }  # fmt: skip


def test_help_tells_defaults_and_bounds():
    text = run("--help").stdout
    assert "--speed, --rate FLOAT" in text and "[default: 0.5]" in text
    assert "--lower / --cased" in text and "[default: on]" in text
    assert "--count N" in text and "[default: 3; x>=2]" in text
    assert "--width" in text and "--hidden" not in text


def test_wrong_values_are_all_named():
    done = run("--rate", "2", "--width", "0")
    assert all(part in str(done.exception) for part in ("--rate", "width", "--name is required"))
    assert isinstance(run("--count", "1").exception, click.BadParameter)


@pytest.mark.parametrize(("rank", "lines"), [(0, ["text"]), (3, [])])
def test_only_the_first_process_of_a_group_prints(monkeypatch, rank, lines):
    monkeypatch.setattr(log, "_rank", rank)  # as where a command joins its process group
    assert run("--name", "n").stdout.splitlines() == lines


def test_a_rank_in_the_environment_silences_nothing(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    assert run("--name", "n").stdout.splitlines() == ["text"]


def test_a_dry_run_shows_settings_with_origins_and_the_plan():
    @click.command("planned")
    @options.config_options(Config)
    @options.common_options
    def planned(as_json, **given):
        options.finish_dry_run(options.resolved(Config, given), {"files": 3}, as_json)

    runner = CliRunner()
    text = runner.invoke(planned, ["--name", "n"], standalone_mode=False).stdout
    rows = [line.split() for line in text.splitlines()]
    assert ["name", "n", "command", "line"] in rows and ["rate", "0.5", "default"] in rows
    assert ["files", "3"] in rows
    done = runner.invoke(planned, ["--name", "n", "--json"], standalone_mode=False)
    assert json.loads(done.stdout) == {"command": "planned", "dry_run": True, "files": 3}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_whole_on_any_standard_output(monkeypatch, encoding):
    found = {"answer": "José – 🎉", "path": "J\udcf6rg"}  # a name in Latin-1, as Python holds it
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    with click.Context(click.Command("predict"), info_name="predict"):
        options.finish(found, as_json=True)
    assert json.loads(raw.getvalue().decode(encoding)) == {"command": "predict", **found}
    assert ("José" in raw.getvalue().decode(encoding)) == (encoding == "utf-8")


def test_text_on_a_standard_output_that_lacks_characters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "latin-1"))
    options.finish({}, as_json=False, text="José 🎉")
    assert raw.getvalue().decode("latin-1") == "José \\U0001f389\n"


def test_a_closed_standard_output_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    options.finish({}, as_json=False, text=log.table(["a"], [["b"]]))
