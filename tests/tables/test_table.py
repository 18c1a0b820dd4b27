"""Tables of all forms are read alike, and what is wrong in one is said with its line."""

from __future__ import annotations

import gzip
import json

import pytest

from bertkit.errors import DataError
from bertkit.tables.table import read_table


def test_tables_of_all_forms_are_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    rows = [('He said "no", twice', "1"), ("line\nbreak", "0"), ("tab\there", "1")]
    table = arrow.table({"text": [row[0] for row in rows], "label": [row[1] for row in rows]})
    parquet.write_table(table, tmp_path / "t.parquet")
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n\n")
    (tmp_path / "t.json").write_text(f"[{','.join(lines)}]")
    pytest.importorskip("pyarrow.csv").write_csv(table, tmp_path / "t.csv")
    for ending in ("parquet", "jsonl", "json", "csv"):
        found = read_table(str(tmp_path / f"t.{ending}"))
        assert list(found.names) == ["text", "label"], ending
        assert [tuple(row.values) for row in found.rows] == rows, ending
    assert [row.line for row in read_table(str(tmp_path / "t.csv")).rows] == [2, 3, 5]


def values(path, **more):
    return [list(row.values) for row in read_table(str(path), **more).rows]


def test_quotation_is_that_of_the_program_that_wrote_the_table(tmp_path):
    file = tmp_path / "t.csv"
    for text, wanted in (
        ('a,b\n"x ""y"" z",1\n', ['x "y" z', "1"]),
        ('a,b\n"x \\"y\\" z",1\n', ['x "y" z', "1"]),  # pandas' escapechar
        ('a,b\n"x" y,1\n', ['"x" y', "1"]),  # no quotation
        ("a;b\nx, y;1\n", ["x, y", "1"]),
        ("\ufeffa,b\r\nx,1\r\n\r\n", ["x", "1"]),
    ):
        file.write_bytes(text.encode())
        assert values(file) == [wanted], text
    assert values(file, quoting="none", header=False) == [["a", "b"], ["x", "1"]]
    plain = tmp_path / "t.tsv"
    plain.write_text('a\tb\n"x"\t"y"\n')
    assert values(plain) == [['"x"', '"y"']]
    assert values(plain, quoting="csv") == [["x", "y"]]


def test_lines_may_end_with_a_carriage_return_alone(tmp_path):
    for name, mark in (("t.csv", ","), ("t.tsv", "\t")):
        text = "\r".join(mark.join(row) for row in ("ab", "xy", "zw")) + "\r"
        (tmp_path / name).write_bytes(text.encode())
        table = read_table(str(tmp_path / name))
        assert (list(table.names), [list(row.values) for row in table.rows]) == (
            ["a", "b"],
            [["x", "y"], ["z", "w"]],
        )


def test_packed_tables_and_columns_by_name_or_number(tmp_path):
    file = tmp_path / "t.tsv.gz"
    file.write_bytes(gzip.compress(b"a\tb\nx, y\t1\n"))
    table = read_table(str(file))
    assert [list(row.values) for row in table.rows] == [["x, y", "1"]]
    assert (table.column("b", "--c"), table.column("2", "--c")) == (1, 1)
    for name in ("c", "0", "3"):
        with pytest.raises(DataError, match=f"no column '{name}'; it has a, b"):
            table.column(name, "--c")
    one = tmp_path / "one.tsv"
    one.write_text("text\na, b\n")
    assert values(one) == [["a, b"]]


@pytest.mark.parametrize(
    ("name", "blob", "said"),
    [
        ("t.csv", b"a,b\nx\n", "t.csv:2: 1 fields, not 2 as the first row"),
        ("t.csv", b"a,b\n", "t.csv: holds no rows"),
        ("t.csv", b"a,a\nx,y\n", "t.csv: two columns are named 'a'"),
        ("t.csv", b"a,b\nx,\xff\n", "t.csv:2: not UTF-8 at byte 6"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "t.jsonl:2: not an object"),
        ("t.jsonl", b'{"a": 1}\n{"a"\n', "t.jsonl:2: not JSON"),
        (
            "t.jsonl",
            b'{"a": 1}\n{"a": 1, "a": 3}\n',
            "t.jsonl:2: the key 'a' is there twice",
        ),
        ("t.json", b'[{"a": 1, "a": 3}]', "t.json: the key 'a' is there twice"),
        ("t.jsonl", b"\n", "t.jsonl: holds no rows"),
        ("t.parquet", b"PAR1", "t.parquet: not a complete Parquet file"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, name, blob, said):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow.parquet")
    (tmp_path / name).write_bytes(blob)
    with pytest.raises(DataError) as error:
        read_table(str(tmp_path / name))
    assert said in error.value.message


@pytest.mark.parametrize(
    ("name", "blob", "hint"),
    [
        ("t.csv", b"a,b\n1,2,3\n", "a field with a comma in it stands in quotation marks"),
        ("t.tsv", b"a\tb\n1\t2\t3\n", "none may stand within a field"),
        ("t.csv", "a,b\ncaf\u00e9,2\n".encode("latin-1"), "iconv -f LATIN1"),
        ("t.csv", b"a,b\n", "with examples in it"),
        ("t.jsonl", b'{"a": 1}\n{oops\n', "one object per line"),
    ],
)
def test_what_to_do_about_it_is_said(tmp_path, name, blob, hint):
    (tmp_path / name).write_bytes(blob)
    with pytest.raises(DataError) as error:
        read_table(str(tmp_path / name))
    assert hint in error.value.hint
