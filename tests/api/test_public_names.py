"""The public names: which they are, how they are called, and that they cost nothing unused."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bertkit

from . import signatures

FUNCTIONS = [name for name in bertkit.__all__ if inspect.isfunction(getattr(bertkit, name))]


def test_no_stable_name_changes_unseen():
    """After a wanted change, and a line in the changelog: python -m api.signatures, in tests/."""
    assert signatures.lines() == signatures.FILE.read_text("utf-8").splitlines()


def test_type_checkers_see_what_users_get():
    """The imports for type checkers, the table and `__all__` name the same objects."""
    tree = ast.parse(Path(bertkit.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == bertkit._PLACES
    assert {*bertkit.__all__} == {*imported, "__version__"}
    assert len(set(bertkit.__all__)) == len(bertkit.__all__)


def test_an_import_costs_nothing():
    code = """
import sys
import bertkit
assert not {"torch", "numpy", "click", "numba", "yaml"} & sys.modules.keys(), "import bertkit"
assert [name for name in sys.modules if name.startswith("bertkit.")] == []
assert "pretrain" in dir(bertkit)
bertkit.make_records, bertkit.ConfigError, bertkit.RecordsConfig
assert not {"torch", "click", "numba"} & sys.modules.keys(), "make_records"
bertkit.pretrain, bertkit.load_model, bertkit.finetune, bertkit.predict, bertkit.convert
bertkit.clean, bertkit.verify, bertkit.make_report, bertkit.push, bertkit.finetune_seeds
assert "torch" not in sys.modules, "functions"
try:
    bertkit.no_such_name
except AttributeError as error:
    assert "no_such_name" in str(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_submodule_is_still_imported_by_its_name():
    from bertkit import errors, log

    assert errors.BertkitError is bertkit.BertkitError
    assert log.logger.name == "bertkit"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_reads_well(name):
    """One sentence, every argument, what is raised, and an example that the slow suite runs."""
    text = inspect.getdoc(getattr(bertkit, name)) or ""
    first = text.splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 100
    sections = dict(re.findall(r"^(\w+):\n((?:    .*\n|\n)+)", text + "\n", re.M))
    assert "Example" in sections
    assert ">>> " in sections["Example"]
    documented = re.findall(r"^    \**(\w+):", sections.get("Args", ""), re.M)
    assert documented == list(inspect.signature(getattr(bertkit, name)).parameters)
    if name != "show_progress":
        assert "Raises" in sections


@pytest.mark.parametrize(
    "name", [n for n in bertkit.__all__ if inspect.isclass(getattr(bertkit, n))]
)
def test_every_class_is_described(name):
    assert (inspect.getdoc(getattr(bertkit, name)) or "").splitlines()[0].endswith(".")


def test_inputs_come_first_then_what_is_written_or_used_then_settings():
    order = {
        name: [
            item.name
            for item in inspect.signature(getattr(bertkit, name)).parameters.values()
            if item.kind == item.POSITIONAL_OR_KEYWORD
        ]
        for name in FUNCTIONS
    }
    for name in (
        *("extract", "clean", "split", "make_records", "pretrain"),
        *("finetune", "finetune_squad", "finetune_seeds"),
    ):
        assert order[name] == ["inputs", "output", "config"]
    assert order["convert"] == ["checkpoint", "output", "config"]
    assert order["push"] == ["checkpoint", "to", "config"]
    assert order["pick_eval"] == order["pack_records"] == ["inputs", "output"]
    assert order["make_report"] == ["runs", "output"]
    assert order["evaluate"] == ["inputs", "checkpoints", "config"]
    assert order["predict"] == ["inputs", "checkpoint", "config"]
    assert order["training_dataset"] == order["data_loader"] == ["inputs", "config"]
