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
    """The summary of gpu_check.sh on a CPU, with a program in place of Python."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    settings = {"DEVICE": "cpu", "SIZE": "small"} | settings
    settings |= {"PYTHON": str(program), "OUT": str(tmp_path)}
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


@pytest.fixture
def asked(tmp_path):
    """Runs gpu_check.sh with a Python that only notes what it is asked to do.

    It makes the files that later phases wait for, and really writes the summary.
    """
    asked = tmp_path / "asked"
    python = f"""
    echo "$@" >> "{asked}"
    work= previous=
    for word in "$@"; do
      case "$previous" in
        --work) work=$word ;;
        --compiled | --output) echo '{{"large-512": 1}}' > "$word" ;;
      esac
      previous=$word
    done
    case "$*" in
      *" sample "*) mkdir "$work/train-128" "$work/valid-128"
        touch "$work/vocab.txt" "$work/train-128/manifest.json" "$work/valid-128/manifest.json" ;;
      *" summary "*) exec "{sys.executable}" "$@" ;;
    esac"""

    def function(**settings):
        asked.unlink(missing_ok=True)
        whole = checked(tmp_path, python, **settings)
        return whole, asked.read_text().splitlines()

    return function


@needs_bash
def test_what_decides_most_of_fused_layers_comes_first(asked):
    groups = "env sample fused trial tiles bench profile"
    whole, lines = asked(DEVICE="cuda", ONLY=groups, CASES="large-512 base-128", SIZE="full")
    order = [name for name in whole["phases"] if not name.startswith("bench-")]
    assert order[0] == "packages" and order[order.index("compare") :] == [
        *("compare", "profile-fused", "tiles", "trial", "profile"),
    ]
    assert {"env", "sample", "pytest-fused", "tiles-compile", "runs"} < set(order)
    alone = [name for name in whole["phases"] if name.startswith("bench-")]
    assert alone == [
        *("bench-large-512-fused", "bench-base-128-fused"),
        *("bench-large-512-eager", "bench-large-512-hf"),
        *("bench-base-128-eager", "bench-base-128-hf"),
    ]
    assert whole["best tiles"] == {"large-512": 1}
    arms = [line for line in lines if "benchmarks/gpu.py" in line]
    assert [("--fused" in arm, "--tiles /" in arm) for arm in arms] == [(True, True)] * 2 + [
        (False, False)
    ] * 4
    assert all("--no-fused" in arm for arm in arms[2:] if "bertkit" in arm), "nor by a trial"
    (profile,) = [line for line in lines if " profile-fused " in line]
    assert "--tiles" not in profile, "it comes before they are known"


@needs_bash
def test_all_groups_have_compiled_arms_beside_fused_ones(asked):
    whole, lines = asked(DEVICE="cuda", SIZE="full", CASES="base-128")
    assert {"pytest", "pytest-fused", "warm-base-128-fused", "kernels"} < whole["phases"].keys()
    arms = [name for name in whole["phases"] if name.startswith("bench-")]
    words = ("fused", "fp8", "fused-compiled", "eager", "compiled", "hf")
    assert [name for name in arms if "base" in name] == [f"bench-base-128-{word}" for word in words]
    (both,) = [
        line for line in lines if "--fused" in line and "--tiles" in line and "--compile" in line
    ]
    assert "--steps 1" not in both


@needs_bash
def test_recorded_steps_have_small_models_run_beside_them(asked):
    whole, lines = asked(DEVICE="cuda", ONLY="sample pytest graphs bench", CASES="")
    arms = [name for name in whole["phases"] if name.startswith(("bench-mini", "bench-small"))]
    models, words = ("mini", "small"), ("graphs", "eager", "hf")
    assert arms == [f"bench-{model}-128-{word}" for model in models for word in words]
    recorded = [line for line in lines if "benchmarks/gpu.py" in line and "--graphs" in line]
    assert len(recorded) == 2
    assert "graphs-choice" in whole["phases"] and "benchmarks/gpu_graphs.py" in "".join(lines)
    chosen = [line for line in lines if " pytest " in line]
    assert any("-k record or replay" in line for line in chosen)
    assert any("not record and not replay" in line for line in chosen), "none runs twice"


@needs_bash
def test_tiles_of_an_earlier_call_are_used(asked):
    _, lines = asked(DEVICE="cuda", ONLY="fused profile bench", CASES="base-128", TILES="old.json")
    wanted = [line for line in lines if "--fused" in line or " profile-fused " in line]
    assert len(wanted) == 2 and all(line.endswith("--tiles old.json") for line in wanted)


@needs_bash
def test_a_cpu_runs_nothing_that_needs_a_gpu(asked):
    whole, lines = asked()
    names = " ".join(whole["phases"])
    assert "tiles" not in names and "compiled" not in names and "profile-fused" not in names
    assert "--fused" not in "".join(lines) and "--graphs" not in "".join(lines)


@needs_bash
def test_records_are_kept_and_used_again(asked, tmp_path):
    place = tmp_path / "a folder"
    first, _ = asked(ONLY="sample runs", SAMPLE=str(place))
    assert {path.name for path in place.iterdir()} == {"vocab.txt", "train-128", "valid-128"}
    second, _ = asked(ONLY="sample runs", SAMPLE=str(place))
    assert first["phases"] == {"packages": 0, "sample": 0, "runs": 0, "compare": 0}
    assert second["phases"] == {"packages": 0, "runs": 0, "compare": 0}


def test_fused_runs_are_those_of_a_gpu_and_have_what_they_are_compared_with(runs, work):
    settings = {"work": work, "small": False, "jobs": 1, "seconds": 1.0, "only": ("fused",)}
    assert runs._fused_runs(runs.Settings(device="cpu", **settings)) == {}
    found = runs._fused_runs(runs.Settings(device="cuda", **settings))
    assert next(iter(found)) == "cpu", "the longest begins first"
    assert set(found) == {
        *("cpu", "dropout", "fused-unpadded", "fused-padded", "fused-dropout", "fp8"),
        *("resume-fused", "resume-fused-again", "resume-fused-stopped"),
    }
    started = {}
    for name, script in found.items():
        script(Starts(started.setdefault(name, [])))
    for name, commands in started.items():
        assert len(commands) == (2 if name.endswith("-stopped") else 1)
        for words in commands:
            assert ("cuda.fused=true" in words) == ("fused" in name)
            assert ("cuda.fp8=true" in words) == (name == "fp8")
            assert ("model.hidden_dropout_prob=0" in words) == (name in CALM)


def test_recorded_runs_are_those_of_a_gpu_and_have_what_they_are_compared_with(runs, work):
    settings = {"work": work, "small": False, "jobs": 1, "seconds": 1.0, "only": ("graphs",)}
    assert runs._graph_runs(runs.Settings(device="cpu", **settings)) == {}
    found = runs._graph_runs(runs.Settings(device="cuda", **settings))
    for name, script in found.items():
        started = Starts([])
        script(started)
        assert len(started.commands) == (2 if name.endswith("-stopped") else 1)
        for words in started.commands:
            assert ("cuda.graphs=true" in words) == ("graphs" in name)
            calm = name in ("cpu", "graphs-unpadded", "graphs-packed", "graphs-micro")
            assert ("model.hidden_dropout_prob=0" in words) == calm
        other = runs.REFERENCES.get(name, "cpu")
        assert name.startswith("resume") or not other or other in found


CALM = ("cpu", "fused-unpadded", "fused-padded")


class Starts:
    """Notes the commands of a small run."""

    def __init__(self, commands):
        self.commands = commands

    def start(self, words):
        self.commands.append(words)

    def finish(self, process):
        return 0


@pytest.fixture
def runs(benchmark_module):
    return benchmark_module("gpu_runs")


def test_runs_stand_beside_what_they_must_equal(runs, work, capsys):
    losses = {"cpu": 2.0, "fused-padded": 2.5, "dropout": 4.0, "fused-dropout": 4.4}
    for name, loss in losses.items():
        (work / "run" / name).mkdir(parents=True)
        line = {"kind": "train", "step": 10, "loss": loss, "tokens_per_second": 1.0}
        (work / "run" / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    settings = runs.Settings(work, "cuda", True, 1, 1.0, ())
    runs.compare(settings, runs.Findings(work, "compare"))
    found = json.loads((work / "results" / "compare.json").read_text())
    assert found["run fused-padded"]["largest relative difference"] == 0.25
    assert found["run fused-padded"]["loss of cpu there"] == 2.0
    assert found["run fused-dropout"]["largest relative difference"] == 0.1
    assert found["run fused-dropout"]["loss of dropout there"] == 4.0
    assert "largest relative difference" not in found["run dropout"]


def test_bits_of_fused_runs_are_compared(runs, work):
    import torch
    from safetensors.torch import save_file

    ends = {"resume-fused": 1.0, "resume-fused-again": 1.0, "resume-fused-stopped": 1.5}
    for name, end in ends.items():
        folder = work / "run" / name / "step-0000060"
        folder.mkdir(parents=True)
        save_file({"a": torch.tensor([end])}, folder / "model.safetensors")
    runs.compare(runs.Settings(work, "cuda", True, 1, 1.0, ()), runs.Findings(work, "compare"))
    found = json.loads((work / "results" / "compare.json").read_text())
    assert found["weights of resume-fused and resume-fused-again"]["same bits"] is True
    assert found["weights of resume-fused and resume-fused-stopped"]["largest difference"] == 0.5


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("a::b PASSED [ 50%]\n=== 2 passed in 3s ===\n", ["=== 2 passed in 3s ==="]),
        (
            "a::b PASSED\na::c FAILED\n== short test summary info ==\nFAILED a::c - x\n1 failed\n",
            ["FAILED a::c - x", "1 failed"],
        ),
        (
            "a::b PASSED [ 25%]\na::c FAILED [ 50%]\na::d ",
            ["cut off after 1 PASSED, 1 FAILED, 0 ERROR", "a::c FAILED [ 50%]"],
        ),
        (
            "[gw0] [ 25%] FAILED a::c \n[gw1] [ 50%] PASSED a::b \n",
            ["cut off after 1 PASSED, 1 FAILED, 0 ERROR", "[gw0] [ 25%] FAILED a::c"],
        ),
        ("", ["cut off after 0 PASSED, 0 FAILED, 0 ERROR"]),
    ],
)
def test_how_tests_ended(check, log, found):
    assert check.tests_of(log) == found


def test_tiles_and_arms_stand_in_the_summary(check, work, capsys):
    (work / "tiles.json").write_text('{"large-512": {"forward": [64, 64, 4, 2]}}')
    (work / "log" / "tiles.log").write_text('{"batch": "large-512"}\nwarning\n')
    (work / "log" / "bench-base-128-fused.log").write_text('{"arm": "bertkit bf16"}\n')
    whole = shown(check, work, capsys)
    assert whole["best tiles"]["large-512"]["forward"] == [64, 64, 4, 2]
    assert whole["tiles"] == [{"batch": "large-512"}]
    assert whole["bench-base-128-fused"] == [{"arm": "bertkit bf16"}]


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
