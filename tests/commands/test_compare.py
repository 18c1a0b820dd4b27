"""`bertkit compare`: the scores of runs side by side."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def scored(tmp_path):
    for seed in (1, 2):
        folder = tmp_path / "runs" / f"seed-{seed}"
        folder.mkdir(parents=True)
        facts = {"task": "tag", "metric": "f1", "eval_file": "wnut.conll", "encoder": "base"}
        facts |= {"examples": 9, "seed": seed, "scores": {"f1": seed / 4, "precision": 0.5}}
        (folder / "scores.json").write_text(json.dumps(facts))
    return tmp_path / "runs"


def test_text_markdown_latex_and_json(bertkit, scored):
    assert "37.50 ± 17.68" in bertkit("compare", scored).out
    assert "| base | 37.50 ± 17.68 |" in bertkit("compare", scored, "--format", "markdown").out
    assert r"base & $37.50 \pm 17.68$ \\" in bertkit("compare", scored, "--format", "latex").out
    values = [
        json.loads(bertkit("compare", scored, *flags).out)
        for flags in (("--json",), ("--format", "json"))
    ]
    assert all(found.pop("seconds") >= 0 for found in values)
    assert values[0] == values[1]
    assert values[0]["rows"][0]["cells"][0]["mean"] == 37.5
    assert "50.00 ± 0.00" in bertkit("compare", scored, "--metric", "precision").out


def test_nothing_to_compare_is_one_line(bertkit, tmp_path):
    for place in (tmp_path, tmp_path / "nix"):
        found = bertkit("compare", place)
        assert found.status == 3 and "Traceback" not in found.err and str(place) in found.err
