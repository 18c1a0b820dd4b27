"""`bertkit inspect` of questions and of tables of examples."""

from __future__ import annotations

import json
import math

import pytest
from tasks.squad.world import PEOPLE, RIVERS, paragraph, squad

from bertkit.report.views.table import view_questions, view_table
from bertkit.tables import table


def test_questions_of_squads_file_and_in_rows(bertkit, tmp_path):
    none = paragraph("The castle is old.", ("Who built the bridge?", ""))
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(squad(RIVERS, PEOPLE, none, version="2.0")))
    shown = bertkit("inspect", path, "--json")
    assert shown.status == 0, shown.err
    (found,) = shown.result["questions"]
    assert found == view_questions(str(path))[0]
    assert (found["questions"], found["passages"], found["without_answer"]) == (6, 3, 1)
    assert found["answer_words"] == {"mean": 1.4, "most": 2}
    assert "without answer    1" in bertkit("inspect", path).out
    row = {"id": 1, "question": "Who?", "context": "Anna did.", "answers": None}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    shown = bertkit("inspect", tmp_path / "rows.jsonl", "--json")
    assert shown.result["questions"][0]["without_answer"] == 1
    (tmp_path / "bad.jsonl").write_text(json.dumps({**row, "context": 5}) + "\n")
    shown = bertkit("inspect", tmp_path / "bad.jsonl")
    assert (shown.status, "bad.jsonl:1: 'context' is not a text" in shown.err) == (3, True)


def test_columns_of_a_table_with_their_labels(bertkit, tmp_path):
    lines = ["premise,hypothesis,label,score,none"]
    lines += [f"a text,another one {n},{('yes', 'no')[n % 2]},{n / 2}," for n in range(6)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    shown = bertkit("inspect", path, "--json")
    assert shown.status == 0, shown.err
    (found,) = shown.result["tables"]
    assert found["rows"] == 6
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["label"]["labels"] == {"no": 3, "yes": 3}
    assert "labels" not in columns["hypothesis"]
    assert columns["hypothesis"]["words"] == {"mean": 3.0, "most": 3}
    assert (columns["none"]["holds"], columns["none"]["filled"]) == ("nothing", 0)
    assert "no 3, yes 3" in bertkit("inspect", path).out
    # What has a column of text is shown as text, as extract reads it.
    path.write_text("text,label\nA text.,yes\n")
    shown = bertkit("inspect", path, "--json").result
    assert "text" in shown and "tables" not in shown


def test_a_first_row_of_data_is_no_header(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("gj04\t1\tOur friends left.\n" + "b_73\t0\tThey left.\n" * 2)
    found = view_table(str(path))[0]
    assert (found["rows"], [column["name"] for column in found["columns"]]) == (3, ["1", "2", "3"])
    assert found["columns"][1]["labels"] == {"0": 2, "1": 1}
    path.write_text("yes\tyes\n" + "no\tyes\n" * 2)
    assert view_table(str(path))[0]["columns"][0]["labels"] == {"no": 2, "yes": 1}


def test_files_without_a_header_are_one_table_and_read_once(tmp_path, monkeypatch):
    opened: list[str] = []
    for name, rows in (("a", "x\t1\nx\t0\n"), ("b", "y\t1\ny\t1\n")):
        (tmp_path / f"{name}.tsv").write_text(rows)
    read = table.open_binary
    monkeypatch.setattr(table, "open_binary", lambda path: opened.append(path) or read(path))
    found = view_table(str(tmp_path / "*.tsv"))[0]
    assert found["columns"][0]["labels"] == {"x": 2, "y": 2}
    assert len(opened) == 2


def test_numbers_lists_and_names_of_labels(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    names = {"_type": "ClassLabel", "names": ["O", "B-PER", "I-PER"]}
    features = {"tags": {"_type": "List", "feature": names}, "label": names}
    noted = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    columns = {
        "tags": [[1, 0], [0, 0, 0]], "label": [2, -1], "n": [0.5, 3], "odd": [{"a": 1}, {"a": 2}],
    }  # fmt: skip
    table = pyarrow.table(columns).replace_schema_metadata(noted)
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    found, text = view_table(str(tmp_path / "a.parquet"))
    tags, label, n, odd = found["columns"]
    assert tags["labels"] == {"O": 4, "B-PER": 1, "I-PER": 0}
    assert tags["lengths"] == {"mean": 2.5, "most": 3}
    assert (label["labels"], label["filled"]) == ({"O": 0, "B-PER": 0, "I-PER": 1}, 1)
    assert (n["least"], n["most"], odd["holds"]) == (0.5, 3.0, "object")
    assert n["not_finite"] == 0
    assert "0.5 to 3.0" in text and "O 4, B-PER 1, I-PER 0" in text


def test_numbers_that_are_not_finite_are_counted(bertkit, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    columns = {"a": [math.nan, 2.0, -math.inf, 1.0], "b": [math.nan] * 4, "c": ["x"] * 4}
    table = pyarrow.table(columns)
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    a, b, _ = view_table(str(tmp_path / "a.parquet"))[0]["columns"]
    assert (a["least"], a["most"], a["not_finite"], a["filled"]) == (1.0, 2.0, 2, 4)
    assert "least" not in b and b["not_finite"] == 4
    shown = bertkit("inspect", tmp_path / "a.parquet").out
    assert "1.0 to 2.0, 2 not finite" in shown


def test_numbers_too_large_for_floats_are_shown(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"n": 1{"0" * 400}}}\n{{"n": 2}}\n')
    (column,) = view_table(str(path))[0]["columns"]
    assert (column["least"], column["most"], column["not_finite"]) == (2, 10**400, 0)
