"""What the pages say about the repository: every path and link in them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PATH = re.compile(r"`((?:bertkit|tests|docs|benchmarks|examples|vocab)/[\w./{},*-]*)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[\w-]+)?\)")


def tree() -> list[str]:
    """Paths of the tree in docs/architecture.md, from the indentation of its lines."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    text = page.partition("## Where things are\n\n")[2]
    folders: list[str] = []
    found = []
    for line in text.split("\n\n")[0].splitlines():
        depth = (len(line) - len(line.lstrip()) - 4) // 2
        name = line.split()[0]
        path = "".join(folders[:depth]) + name
        found.append(path)
        folders[depth:] = [name] if name.endswith("/") else []
    return found


def braces(path: str) -> list[str]:
    """`a/{b,c}/d` as its alternatives."""
    found = re.match(r"(.*)\{([^}]*)\}(.*)", path)
    if not found:
        return [path]
    head, names, tail = found.groups()
    return [alternative for name in names.split(",") for alternative in braces(head + name + tail)]


@pytest.mark.parametrize("path", tree())
def test_the_tree_is_that_of_the_repository(path):
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_and_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    paths = [path for found in PATH.findall(text) for path in braces(found)]
    missing = [path for path in paths if not list(ROOT.glob(path.rstrip("/")))]
    assert missing == []
    links = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert links == []


def renamed() -> list[str]:
    """Dotted names in the column "now" of the changelog's table of new places."""
    rows = re.findall(r"^  \| `.*\| (`.*`) \|$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    return [name for row in rows for cell in re.findall(r"`(.*?)`", row) for name in braces(cell)]


@pytest.mark.parametrize("name", renamed())
def test_the_changelog_tells_the_new_places(name):
    place = ROOT / "bertkit" / name.replace(".", "/")
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_a_dead_path_is_seen():
    assert PATH.findall("see `bertkit/corpus/nothing.py`") == ["bertkit/corpus/nothing.py"]
    assert braces("tests/{a,b}/c") == ["tests/a/c", "tests/b/c"]
    assert "bertkit/corpus/forms/" in tree()
    assert len(tree()) > 50
    assert "tasks.squad" in renamed()


def test_the_gpu_check_names_tests_that_exist():
    script = (ROOT / "benchmarks" / "gpu_check.sh").read_text(encoding="utf-8")
    named = re.findall(r"\btests/[\w/]+(?:\.py)?", script)
    assert "tests/model/fused" in named
    assert [name for name in named if not (ROOT / name).exists()] == []
