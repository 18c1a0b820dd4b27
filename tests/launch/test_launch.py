"""A plan is checked, and written where that is wanted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from bertkit.errors import ConfigError, UsageError
from bertkit.launch.launch import check_files
from launch.planned import TRAIN, as_kubernetes_reads, kubernetes, planned


def test_files_are_checked_whole(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump_all([kubernetes(), kubernetes(devices=1)]))
    job = kubernetes()
    job["spec"]["slotsPerWorker"] = 4
    bad.write_text(yaml.safe_dump(job))
    assert check_files([str(good)]) == [str(good)]
    with pytest.raises(ConfigError, match=r"bad\.yaml: slotsPerWorker is 4"):
        check_files([str(good), str(bad)])


def test_no_documents_and_no_yaml_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no document to check"):
        check_files([])
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"a\.yaml:1: not YAML"):
        check_files([str(tmp_path / "a.yaml")])
    (tmp_path / "b.yaml").write_text("- a")
    with pytest.raises(ConfigError, match="holds no document"):
        check_files([str(tmp_path / "b.yaml")])


def test_the_text_is_written_where_that_is_wanted(tmp_path):
    text = planned("slurm", TRAIN, backend="cuda", output=str(tmp_path / "job.sh"), hours=3)
    assert (tmp_path / "job.sh").read_text() == text
    assert "#SBATCH --time=3:00:00" in text


def test_every_process_gets_the_environment():
    line = planned("torchrun", TRAIN, backend="cuda", env=("A=1", "B=two words"))
    assert line.startswith("env A=1 'B=two words' torchrun ")
    with pytest.raises(UsageError, match="--env A is not NAME=VALUE"):
        planned("torchrun", TRAIN, backend="cuda", env=("A",))


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="no launcher 'ssh'"):
        planned("ssh", TRAIN)
    with pytest.raises(UsageError, match="needs --image"):
        planned("kubernetes", TRAIN, backend="cuda")


HOSTILE = (
    "$(touch bad)", "`touch bad`", "a'b\"c\\", "two\nlines", "a;b&c|d", "#x: y", "100%!", "-e",
    "r/$(touch bad) $A", "!A $A\"; touch bad; \"", "$A`touch bad`", "a\\\"$A; touch bad; echo \"",
)  # fmt: skip
ONE_PROCESS = ("make-records", "--output", "o", "--vocab", "v")


@pytest.mark.parametrize("kind", ["torchrun", "mpirun", "slurm", "kubernetes"])
def test_documents_run_with_hostile_values(tmp_path, kind):
    """Run by bash, with a launcher that notes what it is given: nothing else happens."""
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    note = f"#!{sys.executable}\nimport os, sys\nopen({str(tools / 'noted')!r}, 'w').write(chr(0)"
    note += ".join([*sys.argv[1:], *(f'{k}={v}' for k, v in os.environ.items())]))\n"
    for name in ("torchrun", "mpirun", "srun", "bertkit"):
        (tools / name).write_text(note)
        (tools / name).chmod(0o755)
    (tools / "scontrol").write_text("#!/bin/sh\necho n1\n")
    (tools / "scontrol").chmod(0o755)
    words = (*ONE_PROCESS, *(word for value in HOSTILE for word in ("-i", value)))
    env = [f"V{number}={value}" for number, value in enumerate(HOSTILE) if "A" not in value]
    backend = "hpu" if kind == "mpirun" else "cpu"
    given = {"image": "i"} if kind == "kubernetes" else {}
    text = planned(kind, words, backend=backend, env=env, **given)
    variables = {"A": "1 2", "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(work)}
    script = text
    if kind == "kubernetes":
        (container,) = yaml.safe_load(text)["spec"]["containers"]
        script = as_kubernetes_reads(container["args"][0])
        variables |= {item["name"]: as_kubernetes_reads(item["value"]) for item in container["env"]}
    subprocess.run(["bash", "-c", script], cwd=work, env=variables, check=True)
    given = (tools / "noted").read_text().split("\0")
    expected = [word.replace("$A", "1 2") for word in words]
    begin = given.index(expected[0])
    assert given[begin : begin + len(expected)] == expected
    assert set(env) <= set(given)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "backend", "hint"),
    [("mpirun", "cpu", "torchrun"), ("mpirun", "cuda", "torchrun"), ("slurm", "ipu", "poprun")],
)
def test_a_program_whose_processes_would_not_meet_is_refused(kind, backend, hint):
    """bertkit would compute the same in each of them."""
    with pytest.raises(UsageError, match=f"{kind} does not start --backend {backend}") as caught:
        planned(kind, ONE_PROCESS, backend=backend)
    assert caught.value.hint == f"give: bertkit launch {hint}"


def test_names_of_variables_are_those_of_the_shell():
    for bad in ("é=1", "a-b=1", "=1", "a", "1a=1", "a b=1"):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            planned("torchrun", ONE_PROCESS, backend="cpu", env=[bad])
