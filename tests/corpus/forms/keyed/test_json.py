from __future__ import annotations

import json
import tracemalloc

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.keyed.json import FORM
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError
from corpus.forms.reading import read, write

ROWS = [{"id": 1, "title": "A", "text": 'x "y" \\ é'}, {"id": 2, "title": "B", "text": "[{z}]\n"}]
WANTED = [RawDocument("1", "A", 'x "y" \\ é'), RawDocument("2", "B", "[{z}]\n")]


def taken(path: str, **options: str) -> tuple[str, str]:
    form, reason = detect(RawFile.of(path), ReadOptions(**options))
    return form.name, reason


@pytest.mark.parametrize("indent", [None, 0, 4])
def test_arrays_as_python_writes_them(tmp_path, indent):
    path = write(tmp_path, "a.txt", json.dumps(ROWS, indent=indent).encode())
    assert taken(path)[0] == "json"
    assert read(FORM, path) == WANTED


def test_arrays_and_lines_as_pandas_writes_them(tmp_path):
    frame = pytest.importorskip("pandas").DataFrame(ROWS)
    frame.to_json(tmp_path / "a", orient="records")
    frame.to_json(tmp_path / "b", orient="records", lines=True)
    assert taken(str(tmp_path / "a")) == (
        "json",
        'it begins a JSON array or an object of several lines, text under "text"',
    )
    assert taken(str(tmp_path / "b"))[0] == "jsonl"
    assert read(FORM, tmp_path / "a") == WANTED
    frame.to_json(tmp_path / "c.json")  # columns of numbered cells
    with pytest.raises(NotTextError, match="JSON, but an object without text"):
        taken(str(tmp_path / "c.json"))


def test_one_object_of_several_lines_and_strings(tmp_path):
    path = write(tmp_path, "a", json.dumps(ROWS[0], indent=2).encode())
    assert read(FORM, path) == WANTED[:1]
    path = write(tmp_path, "b", b'["one text", "another"]')
    assert taken(path) == (
        "json",
        "it begins a JSON array or an object of several lines, each string is a text",
    )
    assert [found.text for found in read(FORM, path)] == ["one text", "another"]


def test_json_that_is_not_understood_is_refused_with_its_keys(tmp_path):
    path = write(tmp_path, "a.json", b'{"source": "x", "date": 5}')
    with pytest.raises(NotTextError, match="its keys are source, date"):
        taken(path)
    path = write(tmp_path, "b.json", b'[{"txt": "x"}]')
    with pytest.raises(NotTextError, match="an array of objects without text"):
        taken(path)
    assert taken(path, text_key="txt")[1].endswith('text under "txt"')
    with pytest.raises(NotTextError, match='under "other"'):
        taken(path, text_key="other")


def test_bad_elements_cost_themselves(tmp_path):
    text = b'[{"text": "a"}, 5, {"no": 1}, {"text": "\xff"}, {bad}, {"text": "b"}]'
    found = read(FORM, write(tmp_path, "a", text))
    assert [isinstance(item, Rejected) for item in found] == [False, True, True, True, True, False]


@pytest.mark.parametrize("end", [b"]", b""])
def test_memory_holds_one_document(tmp_path, end):
    row = json.dumps({"text": "word " * 20_000}).encode()
    path = write(tmp_path, "a.json", b"[" + b",\n".join([row] * 300) + end)
    tracemalloc.start()
    count = sum(1 for _ in FORM.documents(path, ReadOptions()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300
    assert peak < 12_000_000


@pytest.mark.parametrize("between", ["", " ", "\r", ",\n", " , ", "\n\x1e"])
def test_objects_one_after_the_other_are_all_read(tmp_path, between):
    blob = between.join(json.dumps(row) for row in ROWS)
    path = write(tmp_path, "a.jsonl", ("\x1e" * ("\x1e" in between) + blob).encode())
    form = detect(RawFile.of(path)).form
    assert form.name == ("jsonl" if "\x1e" in between else "json")
    assert read(form, path) == WANTED
