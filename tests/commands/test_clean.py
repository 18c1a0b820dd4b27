from __future__ import annotations

import json
import shlex

import pytest


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "docs.txt"
    documents = [f"Document {n % 20} says something.\nMore of it here." for n in range(30)]
    path.write_text("\n\n".join([*documents, "Too short."]) + "\n")
    return path


def test_a_report_writes_nothing(bertkit, docs, tmp_path):
    shown = bertkit("clean", "-i", docs, "--workers", 1)
    assert shown.status == 0
    rows = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.split()}
    assert rows["exact"][1:3] == ["10", "32.26%"]
    assert rows["short"][1] == "1"
    assert "overlap" not in rows
    assert f"exact: {docs}:61 = {docs}:1" in shown.out
    assert "nothing written" in shown.out
    assert "--drop" in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["docs.txt"]


def test_json_adds_up(bertkit, docs, tmp_path):
    words = ["clean", "-i", docs, "--json", "--workers", 1]
    report = bertkit(*words).result
    assert report["documents"] == 31 and report["bytes"] == docs.stat().st_size - 31 + 1
    result = bertkit(*words, "--drop", "exact,short", "-o", tmp_path / "out").result
    assert result["dropped"]["documents"] == 11
    assert result["kept"]["documents"] == 20
    assert result["criteria"]["exact"]["dropped"] and not result["criteria"]["near"]["dropped"]
    assert result["criteria"]["exact"]["documents"] == report["criteria"]["exact"]["documents"]
    text = (tmp_path / "out/part-00000-of-00001.txt").read_text()
    assert text == "\n\n".join(docs.read_text().split("\n\n")[:20]) + "\n"


def test_the_next_command_is_named(bertkit, docs, tmp_path):
    words = ("clean", "-i", docs, "--drop", "near", "-o", tmp_path / "out", "--workers", 1)
    shown = bertkit(*words)
    assert f"bertkit split --input {tmp_path / 'out'}" in shown.err
    assert "20 documents" not in shown.err and "kept in 1 part " in shown.out
    assert "(up to date)" in bertkit(*words).out


@pytest.mark.parametrize("against", [False, True])
def test_the_command_that_a_report_names_drops_what_it_found(bertkit, docs, tmp_path, against):
    """`overlap` needs the texts again; without them it was not looked for."""
    test = tmp_path / "test.txt"
    test.write_text("a b c d e f g h i j k l m\n")
    docs.write_text(f"{docs.read_text()}\n{test.read_text()}")
    words = ["clean", "-i", docs, "--workers", 1, *(["--against", test] if against else [])]
    (line,) = (line for line in bertkit(*words).err.splitlines() if line.startswith("Next: "))
    followed = bertkit(*shlex.split(line)[2:])
    assert followed.status == 0, followed.err
    kept = (tmp_path / "docs.txt-clean/part-00000-of-00001.txt").read_text()
    assert ("a b c d" in kept) != against and kept.count("Document 3 says") == 1


def test_nothing_found_is_not_dropped(bertkit, docs):
    docs.write_text("A document of its own kind.\nIt has two sentences.\n\nToo short.\n")
    assert "Next: bertkit split" in bertkit("clean", "-i", docs, "--workers", 1).err


def test_the_listing_is_json_lines(bertkit, docs, tmp_path):
    assert bertkit("clean", "-i", docs, "--listing", tmp_path / "list", "--workers", 1).status == 0
    entries = [json.loads(line) for line in (tmp_path / "list").read_text().splitlines()]
    assert sum("exact" in entry["criteria"] for entry in entries) == 10


def test_dry_run_writes_nothing(bertkit, docs, tmp_path):
    shown = bertkit("clean", "-i", docs, "-o", tmp_path / "out", "--drop", "exact", "--dry-run")
    assert shown.status == 0
    assert "scratch_bytes_per_document" in shown.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--drop", "exact"], 2, "--drop needs --output"),
        (["-o", "out"], 2, "--output without --drop"),
        (["--drop", "fuzzy", "-o", "out"], 3, "--drop 'fuzzy': choose among exact, near"),
        (["--drop", "overlap", "-o", "out"], 3, "--drop overlap needs --against"),
        (["--against", "nowhere.json"], 3, "no such file: nowhere.json"),
        (["--near", "1.5"], 2, "near"),
    ],
)
def test_errors_have_their_status(bertkit, docs, tmp_path, monkeypatch, words, status, message):
    monkeypatch.chdir(tmp_path)
    shown = bertkit("clean", "-i", docs, "--workers", 1, *words)
    assert (shown.status, message in shown.err) == (status, True), shown.err
    assert not (tmp_path / "out").exists()
