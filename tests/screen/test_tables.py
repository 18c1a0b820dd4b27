"""Tables that fit the terminal, and break no word, name, number or path."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bertkit.screen.tables import is_number, shown, table, width, wrapped

LONG = "a sentence of many short words that has to be wrapped somewhere, but never inside of one"
SHA = "2386173cdffa002703e636a737cd581b9da195a6a615bde337e6f3aba619199b"


@pytest.fixture(params=[40, 80, 100])
def columns(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def widest(text):
    return max(cell_len(line) for line in text.splitlines())


def test_words_are_never_broken_and_lines_fit(columns):
    rows = [
        ("name-of-a-thing", "17.8 GB", LONG, "CC BY-SA"),
        ("another-name", "5 kB", LONG[::-1], "-"),
    ]
    text = table(("name", "size", "what", "licence"), rows)
    assert widest(text) <= columns
    words = text.split()
    for row in rows:
        for cell in row:
            assert set(cell.split()) <= set(words)


def test_a_row_that_does_not_fit_becomes_a_block(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = table(("name", "kind", "what"), [("x" * 38, "a", LONG), ("y", "b", "short")])
    assert "x" * 38 in text and widest(text) <= 45
    assert text.splitlines()[1:2] == ["  kind   a"]
    assert "\n\nname y\n  kind   b\n  what   short" in text


def test_numbers_stay_below_each_other_where_the_names_are_too_wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("a/" * 14, 7.25, 10), ("y", 118.5, "-")]
    assert table(("name", "loss", "size"), rows).splitlines() == [
        "name",
        "     loss   size",
        "────────────────",
        "a/" * 14,
        "     7.25     10",
        "y",
        "    118.5      -",
    ]


def test_a_few_wide_cells_stand_below_their_rows(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("input", "x/" * 16, "default"), *((f"setting {n}", n, "file") for n in range(5))]
    lines = table(("setting", "value", "from"), rows).splitlines()
    assert (lines[2].split(), lines[3]) == (["input", "default"], "    " + "x/" * 16)
    assert lines[4].split() == ["setting", "0", "0", "file"]


def test_a_checksum_stands_below_its_row(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    text = table(("setting", "value"), [("style", "google"), ("vocab_sha256", SHA), ("a", 1)])
    lines = text.splitlines()
    assert lines[lines.index("vocab_sha256") + 1] == f"    {SHA}"
    assert widest(text) <= 70


def test_a_short_table_is_as_wide_as_it_needs(columns):
    text = table(("token", "count"), [("[MASK]", 7), ("the", "1,234")])
    assert text.splitlines() == [
        "token    count",
        "──────────────",
        "[MASK]       7",
        "the      1,234",
    ]


def test_scripts_without_spaces_are_wrapped_by_their_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = table(("k", "text"), [("a", "これは日本語の文です。" * 5), ("b", "x")])
    assert widest(text) <= 40
    assert text.replace(" ", "").replace("\n", "").count("これ") == 5


def test_the_width_is_that_of_columns_or_eighty_in_a_pipe(monkeypatch):
    monkeypatch.setenv("COLUMNS", "123")
    assert width() == 123
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", None)
    assert width() == 80


def test_values_of_python_are_written_as_people_do():
    assert [shown(value) for value in (None, True, False, 1.5, "", [True, None])] == [
        "-", "true", "false", "1.5", "", "true, -",
    ]  # fmt: skip
    assert shown({"a": [1, 2], "b": {}}) == "a (1, 2), b -"


def test_numbers_stand_right():
    assert all(map(is_number, ("1", "-1.5", "1,234", "5.0%", "1.39e-06", "-")))
    assert not any(map(is_number, ("", "a", "1 of 2", "nan", "3.1 kB")))
    lines = table(("x", "n"), [("a", "1.39e-06"), ("b", "-")]).splitlines()
    assert lines[-1] == "b          -"


def test_paragraphs_keep_their_margins():
    assert wrapped("A: one two three\nfour", 12, 2, 4) == "  A: one\n    two\n    three\n    four"
