from __future__ import annotations

import pytest


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("\n\n".join(f"Document {n}.\nMore of it." for n in range(60)) + "\n")
    return path


def test_table_and_next_step(bertkit, docs, tmp_path):
    shown = bertkit("split", "-i", docs, "-o", tmp_path / "out", "--valid", "0.2", "--test", "0.2")
    assert shown.status == 0
    rows = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.split()}
    assert sum(int(rows[name][2]) for name in ("train", "valid", "test")) == 60
    assert "\n0 duplicate documents, 0 in more than one part (" in shown.out
    assert (tmp_path / "out/train/part-00000-of-00001.txt").is_file()
    assert f"Next: bertkit train-vocab --input {tmp_path}/out/train --output" in shown.err


def test_large_numbers_have_separators_and_one_is_no_plural(bertkit, tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("\n\n".join(f"Document {max(n, 1)}.\nMore." for n in range(1100)) + "\n")
    shown = bertkit("split", "-i", path, "-o", tmp_path / "out", "--valid", 0)
    assert ["train", "1", "1,100", "2,200"] in [line.split()[:4] for line in shown.out.splitlines()]
    assert "\n1 duplicate document, 0 in" in shown.out


def test_next_step_names_a_vocabulary_that_is_there(bertkit, docs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    shown = bertkit("split", "-i", docs, "-o", tmp_path / "out")
    assert f"Next: bertkit make-records --input {tmp_path}/out/train" in shown.err


def test_json_adds_up(bertkit, docs, tmp_path):
    result = bertkit("split", "-i", docs, "-o", tmp_path / "out", "--json").result
    assert result["documents"] == 60
    assert sum(item["documents"] for item in result["splits"].values()) == 60
    assert result["duplicates"] == 0


def test_dry_run_writes_nothing(bertkit, docs, tmp_path):
    shown = bertkit("split", "-i", docs, "-o", tmp_path / "out", "--parts", "3", "--dry-run")
    assert shown.status == 0
    assert "command line" in shown.out
    assert not (tmp_path / "out").exists()


def test_errors_have_their_status(bertkit, docs, tmp_path):
    out = tmp_path / "out"
    shown = bertkit("split", "-i", docs, "-o", out, "--valid", "0.9", "--test", "0.2")
    assert shown.status == 3
    assert "leave none to train" in shown.err
    assert bertkit("split", "-i", tmp_path / "none", "-o", out).status == 3
    assert bertkit("split", "-i", docs).status == 2
    assert bertkit("split", "-i", docs, "-o", out, "--parts", "100").status == 3
    assert not (out / "train").exists()
