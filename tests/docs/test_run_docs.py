"""examples/run_docs.py: what it takes for commands, and all commands of the pages."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="module")
def run_docs():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples"))
        yield importlib.import_module("run_docs")
    for name in ("run_docs", "docs_rules", "stand_ins"):
        sys.modules.pop(name, None)


def page(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_indented_and_fenced_commands_are_found(run_docs, tmp_path):
    text = (
        "# Title\n    bertkit doctor\n\n    bertkit split --input a \\\n"
        "        --output 'b c'  # why\n"
        "text\n    of a list, continued\n\n```sh\nbertkit compare runs > table.tex\n```\n"
        "```yaml\nkey: value\n```\n\n    torchrun --nproc-per-node 2 -m bertkit pretrain\n"
    )
    found = run_docs.commands(page(tmp_path, text), tmp_path)
    assert [(command.line, command.how) for command in found] == [
        (2, "run"),
        (4, "run"),
        (10, "run"),
        (16, "planned"),
    ]
    assert found[1].words == ["bertkit", "split", "--input", "a", "--output", "b c"]
    assert found[3].words == ["bertkit", "pretrain"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bertkitt doctor", "page.md:3: 'bertkitt doctor' is no command of bertkit"),
        ("bertkit pretrain --input a ...", "a command with '...' cannot be run"),
        ("torchrun train.py", "is no command of bertkit"),
    ],
)
def test_what_cannot_be_run_is_not_left_out_silently(run_docs, tmp_path, line, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        run_docs.commands(page(tmp_path, f"text\n\n    {line}\n"), tmp_path)


def test_a_command_that_fails_is_reported(run_docs, tmp_path, monkeypatch, capsys):
    text = (
        "    bertkit split --input no-such-folder --output out\n\n    bertkit split --outputt x\n"
    )
    monkeypatch.setattr(run_docs, "ROOT", tmp_path)
    page(tmp_path, text)
    assert run_docs.main(["page.md"]) == 1
    told = capsys.readouterr()
    assert told.err.count("FAILED") == 2
    assert "no-such-folder" in told.err
    assert re.search(r"page.md +2 +0 +0 +2", told.out)


def test_devices_downloads_and_launchers_are_planned_or_listed(run_docs):
    found = [command for path in run_docs.chosen([]) for command in run_docs.commands(path)]
    assert len(found) > 100
    assert all(command.reason for command in found if command.how != "run")
    every = [path.name for path in run_docs.chosen([])]
    assert {path.name for path in (ROOT / "docs/how-to").glob("*.md")} < {*every}


@pytest.mark.parametrize("table", ["LEFT_OUT", "LAUNCHERS"])
def test_no_rule_is_left_over(run_docs, table):
    texts = [path.read_text(encoding="utf-8") for path in run_docs.chosen([])]
    rules = getattr(run_docs.docs_rules, table)
    unused = [word for word in rules if not any(f"    {word}" in text for text in texts)]
    assert unused == []


def test_no_stand_in_is_left_over(run_docs):
    texts = "\n".join(path.read_text(encoding="utf-8") for path in run_docs.chosen([]))
    words = set(re.split(r"[\s@]+", texts.replace("\\", " ")))
    unused = [
        name
        for name in run_docs.stand_ins.TABLE
        if not any(word == name or word.startswith(f"{name}/") for word in words)
    ]
    assert unused == []


@pytest.mark.long
@pytest.mark.slow
def test_every_command_of_the_pages_runs(run_docs, capsys, tmp_path, monkeypatch):
    if SHARED.is_dir():  # else these commands are left out, and listed
        nltk = pytest.importorskip("nltk")
        shutil.copytree(SHARED / "data/punkt/punkt_tab", tmp_path / "tokenizers/punkt_tab")
        monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
        monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    status = run_docs.main([])
    told = capsys.readouterr()
    assert status == 0, told.err
    listed = told.out.partition("Not run as they stand:")[2].splitlines()[1::2]
    assert len(listed) > 10
    assert all(re.fullmatch(r"  \S+:\d+  (planned|left out): \S.*", line) for line in listed)
