"""Folders that people reported are read by extract as they mean them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.manifests.manifest import read_manifest

LINES = ExtractConfig(splitter="lines")


@pytest.fixture
def report(shared, tmp_path):
    """A copy of a reported folder, to be written to."""

    def copied(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(shared / "data/reports" / name, target, copy_function=shutil.copyfile)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755)
        return target

    return copied


def documents(place, out) -> int:
    return extract([str(place)], str(out), LINES).documents


def test_links_in_a_circle(report, tmp_path):
    folder = report("01-symlink-loop")
    (folder / "a/up").symlink_to("..")
    assert documents(folder, tmp_path / "one") == 2
    (folder / "self").symlink_to(".")
    assert documents(folder, tmp_path / "two") == 2


def test_names_that_are_not_utf8(report, tmp_path):
    folder = report("07-nonutf8-name")
    subprocess.run([sys.executable, "make.py"], cwd=folder, check=True)
    (name,) = [path for path in folder.iterdir() if path.suffix == ".txt"]
    assert documents(name, tmp_path / "out") == 1
    (entry,) = read_manifest(tmp_path / "out").inputs
    assert os.fsencode(entry["path"]) == os.fsencode(name)


def test_a_manifest_of_another_program(report, tmp_path):
    folder = report("09-foreign-manifest")
    assert documents(folder, tmp_path / "one") == documents(folder / "data", tmp_path / "two") == 1


def test_an_output_below_its_input(report, tmp_path):
    raw = report("17-output-inside-input") / "raw"
    assert documents(raw, raw / "out") == 1
    again = extract([str(raw)], str(raw / "out"), LINES)
    assert again.documents == 1 and again.up_to_date
    assert documents(raw, tmp_path / "elsewhere") == 1


def test_a_link_to_nothing(report, tmp_path, caplog):
    folder = report("19-dangling")
    (folder / "b.txt").symlink_to("/nonexistent/x")
    assert documents(folder, tmp_path / "out") == 1
    assert "b.txt" in caplog.text
