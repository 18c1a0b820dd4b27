"""Tables of named rows."""

from types import SimpleNamespace

import pytest

from bertkit.named_table import NamedTable


def row(name):
    return SimpleNamespace(name=name)


def test_rows_come_and_go():
    table = NamedTable("form", [row("a")], more=("auto",))
    choices = table.choices
    with table.register(row("b")):
        assert choices == ["auto", "a", "b"]
        assert [item.name for item in table.registered()] == ["b"]
        assert table.named("b").name == "b"
    assert choices == ["auto", "a"] and table.registered() == ()


def test_a_name_is_taken_once():
    table = NamedTable("form", [row("a")], more=("auto",))
    for name in ("a", "auto"):
        with pytest.raises(ValueError, match=f"there is a form '{name}' already"):
            table.register(row(name))
    table.register_missing([row("a"), row("c")])
    assert table.choices == ["auto", "a", "c"]


def test_no_such_row():
    with pytest.raises(KeyError):
        NamedTable("form", [row("a")]).named("b")
