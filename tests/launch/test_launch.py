"""A plan is checked, and written where that is wanted."""

from __future__ import annotations

import pytest
import yaml

from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.launch.launch import check_files
from launch.planned import TRAIN, kubernetes, planned


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
    with pytest.raises(DataError, match=r"a\.yaml: not YAML"):
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
