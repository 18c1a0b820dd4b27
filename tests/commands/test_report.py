"""`bertkit report`: pictures, pages and tables of runs."""

from __future__ import annotations

import json
import shutil

import pytest


def metrics(run) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def pair(trained, tmp_path):
    """The trained run, and a copy that has logged less."""
    shorter = shutil.copytree(trained.run, tmp_path / "shorter")
    lines = (shorter / "metrics.jsonl").read_text().splitlines(keepends=True)
    (shorter / "metrics.jsonl").write_text("".join(lines[:2]))
    return trained.run, shorter


def test_the_table_has_the_last_numbers_of_each_run(bertkit, pair, tmp_path):
    whole, shorter = pair
    found = bertkit("report", whole, shorter, "--output", tmp_path / "r.png", "--json")
    assert found.status == 0, found.err
    train = [line for line in metrics(whole) if line["kind"] == "train"]
    steps = {row["run"]: (row["step"], row["train"]["loss"]) for row in found.result["runs"]}
    last = [line for line in metrics(shorter) if line["kind"] == "train"][-1]
    assert steps == {
        "run": (train[-1]["step"], train[-1]["loss"]),
        "shorter": (last["step"], last["loss"]),
    }
    table = bertkit("report", whole, shorter, "--output", tmp_path / "r.png").out
    assert f"{train[-1]['loss']:.4f}" in table and f"{last['loss']:.4f}" in table


@pytest.mark.parametrize(
    ("name", "begin"), [("r.png", b"\x89PNG"), ("r.svg", b"<?xml"), ("r.pdf", b"%PDF")]
)
def test_pictures_by_ending(bertkit, trained, tmp_path, name, begin):
    assert bertkit("report", trained.run, "-o", tmp_path / name).status == 0
    assert (tmp_path / name).read_bytes().startswith(begin)


def test_without_output_a_page_goes_into_the_first_run(bertkit, pair):
    whole, shorter = pair
    assert bertkit("report", shorter, whole).status == 0
    assert (shorter / "report.html").is_file() and not (whole / "report.html").exists()


def test_a_page_names_every_run_and_what_differs(bertkit, pair, tmp_path):
    whole, shorter = pair
    config = (shorter / "config.yaml").read_text()
    (shorter / "config.yaml").write_text(config.replace("seed: 12345", "seed: 4711"))
    assert bertkit("report", whole, shorter, "-o", tmp_path / "r.html").status == 0
    page = (tmp_path / "r.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "shorter" in page and "4711" in page and "12345" in page


def test_what_is_no_run_or_no_picture(bertkit, trained, tmp_path):
    assert bertkit("report").status == 2
    no_run = bertkit("report", tmp_path)
    assert no_run.status == 3 and "metrics.jsonl" in no_run.err
    no_picture = bertkit("report", trained.run, "-o", tmp_path / "r.txt")
    assert no_picture.status == 3 and ".png" in no_picture.err
    assert not (tmp_path / "r.txt").exists()
