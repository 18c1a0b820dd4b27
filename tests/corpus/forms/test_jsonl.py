from __future__ import annotations

import json

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.jsonl import FORM
from corpus.forms.reading import read, write


def test_json_lines_good_and_bad(tmp_path):
    good = {"id": 5, "url": "u", "title": "T", "text": "x \ud800 \n\ny"}
    rows = [
        json.dumps(good).encode(),
        b'{"text": "only"}',
        b'{"txt": "x"}',
        b"[1]",
        b'{"text": 5}',
        b"{broken",
        b"",
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": "last"}',
    ]
    path = write(tmp_path, "a.jsonl", b"\n".join(rows))
    found = read(FORM, path)
    assert found[0] == RawDocument("5", "T", "x \ud800 \n\ny")
    assert found[1] == RawDocument(f"{path}:2", "", "only")
    assert all(isinstance(item, Rejected) for item in [*found[2:6], *found[7:9]])
    assert found[6].text == ""
    assert found[9].text == "last"
    assert [item.id for item in found[2:]] == [f"{path}:{n}" for n in range(3, 11)]


def test_a_first_line_that_is_an_object():
    assert FORM.signature(b' {"text": "x"}\n')
    for line in (b"{broken\n", b"[1]\n", b"5\n", b"", b"{" * 100_000):
        assert not FORM.signature(line)
