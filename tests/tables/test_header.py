from __future__ import annotations

import json

import pytest

from bertkit.tables.header import column_names


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("a.csv", b"text,label\na,b\n", ["text", "label"]),
        ("a.tsv", b"\xef\xbb\xbftext\t label\na\tb\n", ["text", "label"]),
        ("a.csv", b"one column\nof text\n", []),
        ("a.txt", b"text,label\n", []),
        ("a.jsonl", b'\xef\xbb\xbf{"a": "x", "b": {}}\n{"c": 2}\n', ["a", "b"]),
        ("a", b'\n{"a": []}', ["a"]),
        ("a.json", b'{"a": 1}\n', []),
        ("a.json", b'[\n {"a": [1,\n 2], "b": ""},\n {"a": 3', ["a", "b"]),
        ("a.json", b'{\n "a": 1\n}\n', []),
        ("a.json", b'["a", "b"]', []),
        ("a.json", b"[1", []),
        ("a.bin", bytes(range(256)), []),
        ("a", b"", []),
    ],
)
def test_names_are_those_of_the_beginning(tmp_path, name, content, names):
    (tmp_path / name).write_bytes(content)
    assert column_names(str(tmp_path / name)) == names


def test_of_files_of_columns_and_of_folders(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"a": [1], "b": ["x"]})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    with pyarrow.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    state = {"_data_files": [{"filename": "a.arrow"}]}
    assert column_names(str(tmp_path)) == column_names(str(tmp_path / "gone")) == []
    (tmp_path / "state.json").write_text(json.dumps(state))
    for name in ("a.parquet", "a.arrow", "."):
        assert column_names(str(tmp_path / name)) == ["a", "b"]
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    assert column_names(str(tmp_path / "a.parquet")) == []
