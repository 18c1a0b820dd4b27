"""What every command promises: help with an example, light start, exit statuses, JSON."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bertkit import cli, errors, log

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "numpy", "numba", "spacy", "tokenizers", "transformers", "tfrecord", "rich"}


def command(name: str) -> click.Command:
    found = cli.main_group.get_command(click.Context(cli.main_group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_says_what_and_shows_an_example(name):
    help_text = command(name).help or ""
    first = " ".join(help_text.split("\n\n")[0].split())
    assert first == cli.COMMANDS[name]
    assert "Example:" in help_text
    assert f"bertkit {name}" in help_text


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_has_help_and_a_kebab_case_name(name):
    for option in command(name).params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.name} has no help"
            assert all("_" not in flag for flag in (*option.opts, *option.secondary_opts))


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_speaks_json_and_can_be_quiet(name):
    flags = {flag for option in command(name).params for flag in option.opts}
    assert {"--json", "-v", "-q"} <= flags


# Shows the help of every command; its arguments are modules that must not be imported by then.
# One process per command would be slow; one process for all shows the same.
HELP_OF_ALL = """
import sys
from bertkit.cli import COMMANDS, main
assert main(["--help"]) == 0
for name in COMMANDS:
    for flag in ("--help", "--help-all"):
        assert main([name, flag]) == 0, name
    found = set(sys.modules) & set(sys.argv[1:])
    assert not found, f"{name} imports {sorted(found)}"
"""


def test_help_of_every_command_imports_nothing_heavy():
    command = [sys.executable, "-c", HELP_OF_ALL, *sorted(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_heavy_import_check_can_fail():
    for program in (HELP_OF_ALL, f"import numpy\n{HELP_OF_ALL}"):
        heavy = ["numpy"] if "import numpy" in program else ["bertkit.commands.pretrain"]
        command = [sys.executable, "-c", program, *heavy]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"imports {heavy}" in done.stderr


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_unknown_flag_is_a_usage_error(name, bertkit):
    run = bertkit(name, "--no-such-flag")
    assert run.status == 2
    assert "no-such-flag" in run.err
    assert run.out == ""


def test_underscores_are_accepted_in_flags(bertkit):
    assert "No such option" not in bertkit("make-records", "--max_seq_length", "64").err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--input", "a", "b", "-o", "x"], ["--input", "a", "--input", "b", "-o", "x"]),
        (["-i", "a", "b"], ["-i", "a", "-i", "b"]),
        (["--output", "a", "b"], ["--output", "a", "b"]),
        (["--input=a", "b"], ["--input=a", "b"]),
        (["--input", "-", "b"], ["--input", "-", "--input", "b"]),
    ],
)
def test_repeatable_flags_take_several_values(words, expected):
    assert cli.repeat_flags(command("extract"), words) == expected


def test_unquoted_globs_work(bertkit, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("One sentence.\nAnother one.\n")
    words = ["--input", tmp_path / "a.txt", tmp_path / "b.txt", "--output", tmp_path / "docs"]
    assert bertkit("extract", *words, "--splitter", "lines", "--json").result["documents"] == 2


def test_unknown_command_is_a_usage_error(bertkit):
    run = bertkit("pretrian")
    assert run.status == 2
    assert "pretrian" in run.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BertkitError("x"), 1),
        (errors.UsageError("x"), 2),
        (errors.DataError("x"), 3),
        (errors.ConfigError("x"), 3),
        (errors.MissingDependencyError("x"), 4),
        (errors.TargetNotReachedError("x"), 5),
        (errors.StoppedError("x"), 75),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 1),
        (OSError(28, "No space left on device", "out.bin"), 1),
    ],
)
def test_errors_become_one_line_and_a_status(error, status, bertkit, monkeypatch):
    failing = click.Command("doctor", callback=lambda: (_ for _ in ()).throw(error))
    monkeypatch.setattr(cli.main_group, "get_command", lambda ctx, name: failing)
    run = bertkit("doctor")
    assert run.status == status
    assert run.out == ""
    assert "Traceback" not in run.err
    if isinstance(error, OSError):
        assert run.err.splitlines()[0] == "Error: the disk is full: out.bin"


def test_a_file_where_a_folder_belongs_is_named(bertkit, tmp_path):
    (tmp_path / "text.txt").write_text("One sentence.\n\nAnother one.\n")
    (tmp_path / "taken").touch()
    run = bertkit("extract", "--input", tmp_path / "text.txt", "--output", tmp_path / "taken")
    assert run.status == 1
    first, hint = run.err.splitlines()[-2:]
    assert first == f"Error: expected a folder, but this is a file: {tmp_path / 'taken'}"
    assert hint == "Hint: give another path"


def test_hint_follows_the_error(bertkit, monkeypatch):
    error = errors.DataError("records.tfrecord: record 7 is broken", "make the file again")
    failing = click.Command("doctor", callback=lambda: (_ for _ in ()).throw(error))
    monkeypatch.setattr(cli.main_group, "get_command", lambda ctx, name: failing)
    lines = bertkit("doctor").err.strip().splitlines()
    assert lines == ["Error: records.tfrecord: record 7 is broken", "Hint: make the file again"]


@pytest.mark.parametrize(
    ("error", "rank", "expected"),
    [
        (errors.StoppedError("x"), 0,
         "Error: x\nNote: torchrun exits with status 1; bertkit's exit status is 75\n"),
        (errors.StoppedError("x"), 1, ""),
        (errors.DataError("x"), 1, "Error (process 1): x\n"),
        (errors.BertkitError("x"), 0, "Error: x\n"),
    ],
)  # fmt: skip
def test_torchrun_hides_the_status_and_bertkit_says_it_once(
    error, rank, expected, bertkit, monkeypatch
):
    def fail():
        log.set_rank(rank)  # as where a command joins its process group
        raise error

    failing = click.Command("doctor", callback=fail)
    monkeypatch.setattr(cli.main_group, "get_command", lambda ctx, name: failing)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", str(rank))
    run = bertkit("doctor")
    assert run.status == error.exit_code
    assert run.err == expected


def test_version(bertkit):
    from bertkit import __version__

    assert bertkit("--version").out.strip() == f"bertkit, version {__version__}"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("cli.md", "page"),
        ("config-keys.md", "keys_page"),
        ("configuration.md", "configuration"),
        ("faq.md", "questions"),
    ],
)
def test_generated_documentation_is_current(name, made):
    module = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == module[made]()


@pytest.mark.parametrize(
    "words",
    [
        ("download", "--list"),
        ("download", "sample", "--output", "sample", "--dry-run"),
        ("inspect", "bertkit-uncased-8k"),
        ("launch", "torchrun", "--backend", "cuda", "--devices", 1, "doctor"),
        ("schema", "pretrain"),
        ("doctor",),
    ],
)
def test_json_names_the_command_and_its_seconds(bertkit, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    run = bertkit(*words[:1], "--json", *words[1:])
    assert run.status == 0, run.err
    assert run.result["command"] == words[0]
    assert 0 <= run.result["seconds"] < 600


def test_doctor_speaks_json(bertkit):
    result = bertkit("doctor", "--json").result
    assert result["command"] == "doctor"
    assert json.dumps(result)


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("bertkit pre", 1, ["pretrain", "predict"]),
        ("bertkit pretrain --mask ", 3, ["static", "dynamic"]),
    ],
)
def test_the_shell_completes_commands_and_choices(words, number, expected):
    asked = {"_BERTKIT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    done = subprocess.run(
        [sys.executable, "-m", "bertkit"], env={**os.environ, **asked}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == expected


@pytest.mark.parametrize("flag", ["-v", "-vv", "--verbose"])
def test_verbose_errors_have_a_traceback(bertkit, flag, tmp_path):
    run = bertkit("inspect", tmp_path / "none", flag)
    assert run.status == 3 and "Traceback (most recent call last)" in run.err
    assert "Traceback" not in bertkit("inspect", tmp_path / "none").err


def test_true_and_false_behind_a_flag_are_taken():
    command = cli.main_group.get_command(click.Context(cli.main_group), "pretrain")
    words = [
        "--do_lower_case=True",
        "--nsp=false",
        "--do-lower-case=FALSE",
        "--lr=1",
        "--",
        "--nsp=true",
    ]
    assert cli.plain_flags(command, words) == [
        "--do_lower_case", "--no-nsp", "--cased", "--lr=1", "--", "--nsp=true",
    ]  # fmt: skip
