from __future__ import annotations

import json

import pytest

from bertkit import log
from bertkit.errors import DataError
from bertkit.tables.arrow import is_column_file, named, read_column_file
from bertkit.tables.table import read_table

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
COLUMNS = {"text": ["a", None, "b"], "label": [1, -1, 0], "more": [[0, 1], [], None]}


def noted(features: object) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def write(folder, form: str, metadata=None):
    """A table as a file of a form, under a name that does not tell which."""
    table = pyarrow.table(COLUMNS).replace_schema_metadata(metadata)
    path = folder / form
    if form == "parquet":
        parquet.write_table(table, path)
        return path
    opened = pyarrow.ipc.new_stream if form == "stream" else pyarrow.ipc.new_file
    with opened(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("form", ["parquet", "file", "stream"])
def test_forms_are_told_by_their_first_bytes(tmp_path, form):
    path = write(tmp_path, form)
    assert is_column_file(str(path))
    found = read_column_file(str(path))
    assert dict(zip(found.names, found.columns, strict=True)) == COLUMNS
    table = read_table(str(path))
    assert [row.values for row in table.rows] == list(zip(*COLUMNS.values(), strict=True))
    assert table.place(table.rows[2]) == f"{path}:3"
    cut = path.read_bytes()
    path.write_bytes(cut[: len(cut) // 2])
    what = "Parquet" if form == "parquet" else "Arrow"
    with pytest.raises(DataError, match=f"{path}: not a complete {what} file"):
        read_table(str(path))


@pytest.mark.parametrize(
    ("feature", "names"),
    [
        ({"_type": "ClassLabel", "names": ["neg", "pos"]}, ["neg", "pos"]),
        ({"_type": "ClassLabel", "names": [" neg", "pos\n"]}, ["neg", "pos"]),
        ({"_type": "ClassLabel", "names": ["neg ", "neg"]}, ["neg ", "neg"]),
        ({"_type": "List", "feature": {"_type": "ClassLabel", "names": ["O", "B"]}}, ["O", "B"]),
        ([{"_type": "ClassLabel", "names": ["O", "B"]}], ["O", "B"]),
        ({"_type": "ClassLabel", "num_classes": 2}, None),
        ({"_type": "Value", "dtype": "int64"}, None),
        ([], None),
        (None, None),
    ],
)
def test_names_of_labels_are_those_that_datasets_notes(tmp_path, feature, names):
    found = read_column_file(str(write(tmp_path, "parquet", noted({"label": feature}))))
    assert found.classes == ({"label": names} if names else {})


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"info": 3}', b'{"info": {"features": []}}'])
def test_notes_of_another_form_are_none(tmp_path, note):
    assert not read_column_file(str(write(tmp_path, "file", {b"huggingface": note}))).classes


def test_numbers_by_name():
    assert named([1, [0, None]], ["no", "yes"], "f:1") == ["yes", ["no", None]]
    assert named(-1, ["no"], "f:1") is None
    for wrong in (2, -2, "yes", 0.5):
        with pytest.raises(DataError, match=r"f:1: the label .* has no name; the file notes 2"):
            named(wrong, ["no", "yes"], "f:1")


def test_a_column_that_python_cannot_hold_costs_itself(tmp_path, caplog):
    late = pyarrow.array([1 << 62], pyarrow.timestamp("us"))
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a"], "when": late}), path)
    log.logger.propagate = True
    assert [row.values for row in read_table(str(path)).rows] == [("a", None)]
    assert "a.parquet: the column 'when' cannot be read, and is taken as empty" in caplog.text


def test_text_that_is_not_utf8_is_told_with_its_row(tmp_path):
    latin = pyarrow.array([b"a", b"caf\xe9"])
    text = pyarrow.Array.from_buffers(pyarrow.string(), 2, latin.buffers())
    parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet:2: the column 'text' holds text that is not"):
        read_table(str(tmp_path / "a.parquet"))


def test_two_columns_of_one_name_are_refused(tmp_path):
    array = pyarrow.array(["a"])
    parquet.write_table(pyarrow.table([array, array], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: two columns are named 'x'"):
        read_table(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize("form", ["parquet", "stream"])
def test_images_and_audio_are_not_read(tmp_path, form, monkeypatch):
    image = {"bytes": b"x" * 9, "path": None}
    columns = {"text": ["a"], "image": [image], "film": [[image]], "tr": [{"de": "x"}]}
    monkeypatch.setitem(globals(), "COLUMNS", columns)
    found = read_column_file(str(write(tmp_path, form)))
    assert (found.names, found.columns) == (["text", "tr"], [["a"], [{"de": "x"}]])
