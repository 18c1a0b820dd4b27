"""docs/python.md and the examples in the docstrings run as they stand."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from pathlib import Path

import pytest

import bertkit

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
SHOWN = re.compile(r"^(?P<code>.*?)  # → (?P<value>.*)$", re.S)
FUNCTIONS = [name for name in bertkit.__all__ if inspect.isfunction(getattr(bertkit, name))]
# In the order in which their examples build on one another.
ORDER = (
    "download extract clean split verify_text train_vocab make_records pick_eval pack_records "
    "verify open_records training_dataset data_loader load_tokenizer new_model pretrain load_model "
    "evaluate finetune finetune_squad finetune_seeds compare predict make_report convert push "
    "presets show_progress"
).split()


def with_checks(block: str) -> str:
    """A block in which each `expression  # → value` compares the two."""
    lines = block.split("\n")
    ends = {
        node.end_lineno: node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Expr)
    }
    for number, node in ends.items():
        match = SHOWN.match(lines[number - 1])
        if match is None:
            continue
        first = node.lineno - 1
        indent = lines[first][: node.col_offset]
        code = ast.unparse(node.value)
        lines[first:number] = [f"{indent}_same({code}, {match['value']!r})"] + [""] * (
            number - first - 1
        )
    return "\n".join(lines)


def same(found: object, wanted: str) -> None:
    assert str(found) == wanted


def test_a_wrong_value_is_seen():
    checked = with_checks("x = 3\nif x:\n    x + 1  # → 4\nmax(\n    x, 2)  # → 3\n")
    exec(checked, {"_same": same})
    assert checked.count("_same") == 2
    with pytest.raises(AssertionError):
        exec(with_checks("1 + 1  # → 3"), {"_same": same})


def test_the_page_has_every_function_and_kind_of_error():
    code = "".join(BLOCK.findall(PAGE))
    lacking = [name for name in FUNCTIONS if f"bertkit.{name}(" not in code]
    # To push needs an account.
    assert set(lacking) <= {"show_progress", "training_dataset", "push"}
    assert [name for name in FUNCTIONS if f"{name}" not in PAGE] == []
    assert [name for name in bertkit.__all__ if name.endswith("Error") and name not in PAGE] == []
    assert sorted(ORDER) == sorted(FUNCTIONS)


@pytest.mark.slow
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__", "_same": same}
    for number, block in enumerate(BLOCK.findall(PAGE), 1):
        exec(compile(with_checks(block), f"docs/python.md, block {number}", "exec"), names)


@pytest.mark.slow
def test_the_examples_in_docstrings_run(tmp_path, monkeypatch, capsys):
    import torch

    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for name in ORDER:
        text = inspect.getdoc(getattr(bertkit, name))
        names = {"bertkit": bertkit, "torch": torch}
        runner.run(finder.get_doctest(text, names, name, None, 0))
        assert runner.failures == 0, capsys.readouterr().out
