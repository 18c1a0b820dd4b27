"""Options from the environment: every flag has its variable, and nothing is read in silence."""

from __future__ import annotations

import click
import pytest

from bertkit import cli
from bertkit.command_line import environment
from tests.command_line.every import command, options


def test_every_flag_of_every_command_has_its_variable(monkeypatch):
    """The page says `BERTKIT_<COMMAND>_<FLAG>`, whatever the program calls the option inside."""
    rows = list(options())
    assert len(rows) > 300
    for name, option in rows:
        context = click.Context(
            command(name), auto_envvar_prefix=environment.variable("BERTKIT", name)
        )
        for flag in (flag for flag in option.opts if flag.startswith("--")):
            variable = f"BERTKIT_{name}_{flag[2:]}".replace("-", "_").upper()
            with monkeypatch.context() as patch:
                patch.setenv(variable, "1")
                assert option.resolve_envvar_value(context) == "1", variable


def test_a_variable_of_the_flag_that_says_no_is_turned_round(monkeypatch):
    monkeypatch.setenv("BERTKIT_MAKE_RECORDS_CASED", "1")
    (option,) = [o for o in command("make-records").params if "--cased" in o.secondary_opts]
    context = click.Context(command("make-records"), auto_envvar_prefix="BERTKIT_MAKE_RECORDS")
    assert option.resolve_envvar_value(context) == "false"
    monkeypatch.setenv("BERTKIT_MAKE_RECORDS_CASED", "off")
    assert option.resolve_envvar_value(context) == "true"


def test_files_assignments_and_json_come_from_the_environment(bertkit, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("One sentence. Two sentences.\n")
    (tmp_path / "given.yaml").write_text("part_megabytes: 3\n")
    for name, value in {
        "INPUT": tmp_path / "a.txt",
        "OUTPUT": tmp_path / "out",
        "CONFIG": tmp_path / "given.yaml",
        "SET": "limit=1 language=de",
        "DRY_RUN": "1",
    }.items():
        monkeypatch.setenv(f"BERTKIT_EXTRACT_{name}", str(value))
    page = bertkit("extract")
    assert page.status == 0, page.err
    rows = [line.split() for line in page.out.splitlines()]
    assert [tmp for tmp in rows if tmp[:2] == ["part_megabytes", "3.0"]]
    assert ["language", "de", "--set"] in rows and ["limit", "1", "--set"] in rows
    monkeypatch.setenv("BERTKIT_EXTRACT_JSON", "1")
    assert bertkit("extract").out.startswith('{"command": "extract", "dry_run": true')


@pytest.mark.parametrize("name", ["VERSION", "HELP", "HELP_ALL", "DOCTOR_HELP", "SCHEMA_HELP"])
def test_pages_are_not_asked_for_by_the_environment(bertkit, name, monkeypatch):
    """Images have `ENV BERTKIT_VERSION=0.2.0`, which ended every command."""
    monkeypatch.setenv(f"BERTKIT_{name}", "0.2.0")
    done = bertkit("schema", "pretrain")
    assert done.status == 0 and done.out.startswith("{"), done.err


def test_variables_that_set_nothing_are_named(bertkit, monkeypatch):
    for name in (
        "BERTKIT_SCHEMA_JSN",
        "BERTKIT_SCHEMA_PORT_8080_TCP_ADDR",  # of a service of Kubernetes
        "BERTKIT_SCHEMA_SERVICE_HOST",
        "BERTKIT_PRETRAIN_JSN",  # another command's
        "BERTKIT_SCHEMA_JSON",
    ):
        monkeypatch.setenv(name, "0")
    said = bertkit("schema", "pretrain").err
    assert said.count("sets nothing") == 1
    assert (
        "BERTKIT_SCHEMA_JSN sets nothing: no such option; did you mean BERTKIT_SCHEMA_JSON?" in said
    )


def test_variables_of_a_longer_command_are_its_own(monkeypatch):
    monkeypatch.setenv("BERTKIT_FINETUNE_SQUAD_NONE", "1")
    monkeypatch.setenv("BERTKIT_FINETUNE_NONE", "1")
    for name, variable in (
        ("finetune", "FINETUNE_NONE"),
        ("finetune-squad", "FINETUNE_SQUAD_NONE"),
    ):
        prefix = environment.variable("BERTKIT", name)
        found = environment.unknown(prefix, command(name).params, list(cli.COMMANDS))
        assert [row[0] for row in found] == [f"BERTKIT_{variable}"]


def test_a_wrong_value_of_a_variable_names_the_variable(bertkit, monkeypatch):
    monkeypatch.setenv("BERTKIT_PRETRAIN_MAX_STEPS", "five")
    wrong = bertkit("pretrain", "--dry-run")
    assert wrong.status == 2
    said = "'five' is not a valid integer. The environment has it: BERTKIT_PRETRAIN_MAX_STEPS."
    assert said in " ".join(wrong.err.split())
    typed = bertkit("pretrain", "--max-steps", "six", "--dry-run")
    assert "'six' is not a valid integer." in typed.err and "environment" not in typed.err
