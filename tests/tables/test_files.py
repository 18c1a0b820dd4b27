from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.tables.files import digest_of_table, is_data_set, local_digest, stems_of, table_files
from bertkit.tables.table import NoRowsError, read_table


def test_a_pattern_stands_for_its_files_as_one_table(tmp_path):
    (tmp_path / "train-1.jsonl").write_text('{"label": "x", "text": "c"}\n')
    (tmp_path / "train-0.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b"}\n')
    pattern = str(tmp_path / "train-*.jsonl")
    first, second = table_files(pattern)
    table = read_table(pattern)
    assert [row.values for row in table.rows] == [["a", "x"], ["b", None], ["c", "x"]]
    assert [table.place(row) for row in table.rows] == [f"{first}:1", f"{first}:2", f"{second}:1"]
    digests = [hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in (first, second)]
    assert digest_of_table(pattern) == hashlib.sha256(" ".join(digests).encode()).hexdigest()
    assert digest_of_table(first) == digests[0] == local_digest(first)
    (tmp_path / "train-2.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match=r"train-2\.jsonl has other columns than .*train-0\.jsonl"):
        read_table(pattern)


def test_names_with_marks_are_names_where_there_is_such_a_file(tmp_path):
    path = tmp_path / "a[1].csv"
    path.write_text("text,label\na,b\n")
    (tmp_path / "a1.csv").write_text("")
    assert table_files(str(path)) == [str(path)]
    with pytest.raises(DataError, match="no such file"):
        table_files(str(tmp_path / "b*.csv"))
    assert local_digest(str(tmp_path / "b*.csv")) == local_digest("") == local_digest("gone") == ""
    assert stems_of(["data/train-*-of-0000?.parquet", "data/set/validation"]) == [
        "train--of-0000",
        "validation",
    ]


@pytest.mark.parametrize("name", ["../a.arrow", "/a.arrow", "a\0.arrow", "\ud800.arrow", ""])
def test_files_of_a_data_set_lie_in_its_folder(tmp_path, name):
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(DataError, match=r"state\.json lists .*, which is no file below its folder"):
        table_files(str(tmp_path))


def test_names_of_several_tables_are_all_different():
    paths = ["a/test", "b/test.csv", "/c/a/test/", "test.parquet", "b/test.csv", "d/train/*.arrow"]
    assert stems_of(paths) == ["test", "b-test", "a-test", "test-2", "test-3", "train"]
    assert stems_of(["*.csv", "[0-9].csv.gz"]) == ["table", "0-9"]


def test_empty_files_of_a_pattern_are_left_out(tmp_path):
    (tmp_path / "a-0.csv").write_text("text,label\n")
    (tmp_path / "a-1.csv").write_text("text,label\nx,y\n")
    (tmp_path / "dataset_info.json").write_text("{}")
    assert [row.values for row in read_table(str(tmp_path / "*")).rows] == [["x", "y"]]
    with pytest.raises(NoRowsError, match=r"a-0\.csv: holds no rows"):
        read_table(str(tmp_path / "a-0.csv"))
    (tmp_path / "a-1.csv").write_text("text,label\n")
    with pytest.raises(NoRowsError, match=r"a-\*\.csv: holds no rows"):
        read_table(str(tmp_path / "a-*.csv"))


def test_a_folder_of_save_to_disk_is_its_files_in_its_order(tmp_path):
    files = [{"filename": name} for name in ("data-1.arrow", "data-0.arrow")]
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": files}))
    assert table_files(str(tmp_path)) == [str(tmp_path / f["filename"]) for f in files]
    assert is_data_set(str(tmp_path))
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": []}))
    with pytest.raises(DataError, match="holds no rows"):
        table_files(str(tmp_path))
    (tmp_path / "state.json").unlink()
    with pytest.raises(DataError, match="is a folder, but no data set") as error:
        table_files(str(tmp_path))
    assert str(tmp_path / "train-*.parquet") in error.value.hint
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train-0.parquet").touch()
    with pytest.raises(DataError, match="is a folder, but no data set") as error:
        table_files(str(tmp_path))
    assert str(tmp_path / "data/train-*.parquet") in error.value.hint
    (tmp_path / "data/train-0.parquet").unlink()
    (tmp_path / "data_0.parquet").touch()
    with pytest.raises(DataError, match="is a folder, but no data set") as error:
        table_files(str(tmp_path))
    assert str(tmp_path / "*.parquet") in error.value.hint
    (tmp_path / "data").rmdir()
    for name in ("test", "train"):
        (tmp_path / name).mkdir()
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(DataError, match="holds several data sets: test, train"):
        table_files(str(tmp_path))
