"""The maps in README.md and docs/ name every package, form and extra that there is."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from bertkit.corpus import forms

ROOT = Path(__file__).parents[2]
# These are parts of the package above them, of which the maps speak.
INNER = ("kernels", "tensorflow", "templates", "commands")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def test_the_tree_has_every_package(setup):
    tree = read("docs/architecture.md").partition("## Where things are")[2]
    packages = setup["options"]["packages"].split()
    names = {name.rpartition(".")[2] for name in packages if "." in name} - {*INNER}
    missing = sorted(name for name in names if not re.search(rf"\b{name}[/,}}]", tree))
    assert not missing


def test_setup_has_every_package(setup):
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "bertkit").rglob("__init__.py")
    }
    assert found | {"bertkit_vocab"} == set(setup["options"]["packages"].split())


def test_readme_and_forms_page_have_every_form():
    for name in ("README.md", "docs/forms.md"):
        rows = [line.split("|")[1] for line in read(name).splitlines() if line.startswith("| `")]
        named = set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
        assert {form.name for form in forms.TABLE} <= named, name


def test_readme_has_every_extra_for_users(setup):
    extras = set(setup["options.extras_require"]) - {"bench", "dev", "docs"}
    named = set(re.findall(r"`([a-z0-9]+)`", read("README.md")))
    assert extras <= named


def test_readme_has_every_command():
    from bertkit.cli import COMMANDS

    text = read("README.md")
    assert [name for name in COMMANDS if name not in text] == []
