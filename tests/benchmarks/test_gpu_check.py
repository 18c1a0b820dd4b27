from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="gpu_check.sh needs bash")


@pytest.fixture
def check(benchmark_module):
    return benchmark_module("gpu_check")


@pytest.fixture
def packages(benchmark_module):
    return benchmark_module("gpu_packages")


@pytest.fixture
def work(tmp_path):
    """A folder of gpu_check.sh in which every phase has passed."""
    for name in ("log", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "phases.jsonl").write_text('{"phase": "runs", "status": 0, "seconds": 1}\n')
    return tmp_path


def shown(module, work, capsys):
    settings = module.Settings(work, "cpu", True, 1, 1.0, ())
    module.summary(settings, module.Findings(work, "summary"))
    return json.loads(capsys.readouterr().out)


def test_the_declared_packages_are_those_that_pip_would_ask_for_on_linux(packages):
    from configparser import ConfigParser

    found = ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = map(Requirement, found["options"]["install_requires"].strip().splitlines())
    linux = {"sys_platform": "linux"}
    assert packages.declared() == [
        need.name for need in wanted if need.marker is None or need.marker.evaluate(linux)
    ]
    assert set(packages.declared()) > packages.NOT_CALLED


def test_packages_that_nothing_here_calls_stop_nothing(packages, check, work, capsys, monkeypatch):
    monkeypatch.setattr(packages, "installed", lambda name: None if name == "spacy" else "1.0")
    settings = check.Settings(work, "cpu", True, 1, 1.0, ())
    check.PHASES["packages"](settings, check.Findings(work, "packages"))
    capsys.readouterr()
    whole = shown(check, work, capsys)
    assert whole["missing"] == "not installed, and not called here: spacy"
    assert whole["packages"]["spacy"] is None and whole["packages"]["numpy"] == "1.0"


def checked(tmp_path, python, **settings):
    """The summary of gpu_check.sh, with a program in place of Python."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    settings |= {"PYTHON": str(program), "DEVICE": "cpu", "SIZE": "small", "OUT": str(tmp_path)}
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ONLY")}
    script = ["bash", "benchmarks/gpu_check.sh"]
    subprocess.run(
        script, cwd=ROOT, env=environment | settings, check=True, stdout=subprocess.DEVNULL
    )
    whole = json.loads((tmp_path / "summary.json").read_text())
    whole["phases"] = {phase["phase"]: phase["status"] for phase in whole["phases"]}
    return whole


@needs_bash
def test_one_line_names_what_is_missing_and_nothing_else_runs(packages, tmp_path):
    whole = checked(tmp_path, f'exec "{sys.executable}" -S "$@"  # without any packages')
    assert next(iter(whole)) == "missing"
    assert f"not installed: {', '.join(packages.declared())};" in whole["missing"]
    assert whole["failed small runs"] == {}
    assert whole["phases"] == {"packages": 1, "env": 1, "compare": 0}


@needs_bash
def test_without_records_no_small_run_starts(tmp_path):
    fails = 'case "$*" in *" sample "*) echo no space left; exit 4 ;; esac'
    python = f'{fails}\nexec "{sys.executable}" "$@"'
    whole = checked(tmp_path, python, ONLY="sample runs resume")
    assert whole["phases"] == {
        "packages": 0,
        "sample": 4,
        "runs": "not run: sample made no records",
        "compare": 0,
    }


@pytest.mark.parametrize(
    ("status", "fails"),
    [
        (0, False),
        (75, False),
        (3, True),
        (-9, True),
        ("no time left", True),
        ([75, 0], False),
        ([-9, 0], False),
        ([0, -9], True),
        ([3, 0], True),
        ({"failed": "OSError: no file"}, True),
    ],
)
def test_small_runs_that_failed_stand_in_the_summary_with_how_their_log_ends(
    check, work, capsys, status, fails
):
    results = {"status whole": 0, "status one": status}
    (work / "results" / "runs.json").write_text(json.dumps(results))
    (work / "log" / "one.log").write_text("Traceback\n  File\nModuleNotFoundError: crc32c\n\n")
    expected = {"one": "ModuleNotFoundError: crc32c"} if fails else {}
    assert shown(check, work, capsys)["failed small runs"] == expected


@pytest.mark.parametrize(
    ("log", "end"),
    [
        ("step 1\nError: no records\nHint: make them\n", "Error: no records Hint: make them"),
        ("Hint: make them\n", "Hint: make them"),
        ("step 1\n" + 500 * "x", 400 * "x"),
        ("\n \n", "nothing in its log"),
        (None, "nothing in its log"),
    ],
)
def test_last_words(check, tmp_path, log, end):
    if log is not None:
        (tmp_path / "log").write_text(log)
    assert check.last_words(tmp_path / "log") == end
