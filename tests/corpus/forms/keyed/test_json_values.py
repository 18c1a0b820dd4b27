from __future__ import annotations

import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.forms.keyed import json_values as module
from bertkit.corpus.forms.keyed.json_values import json_head, json_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def cut(text: str, max_bytes: int = 1000) -> list[bytes | None]:
    return list(json_values(io.BytesIO(text.encode()), max_bytes))


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 2]), st.booleans(), st.integers(1, 7))
def test_the_elements_of_any_array_in_pieces_of_any_size(values, indent, ascii_only, piece):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    before, module.PIECE = module.PIECE, piece
    try:
        assert [json.loads(blob) for blob in cut(text)] == values
    finally:
        module.PIECE = before


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), min_size=1, max_size=4))
def test_objects_one_after_the_other(values):
    text = "\n".join(json.dumps(value, indent=1) for value in values)
    assert [json.loads(blob) for blob in cut(text)] == values


def test_a_large_value_costs_itself_and_no_memory():
    rows = ['{"a": 1}', '{"text": "%s"}' % ("x" * 50_000), '{"a": 2}']
    assert cut(f"[{', '.join(rows)}]", 100) == [b'{"a": 1}', None, b'{"a": 2}']
    before, module.PIECE = module.PIECE, 64
    try:
        assert cut(f"[{', '.join(rows)}]", 100) == [b'{"a": 1}', None, b'{"a": 2}']
    finally:
        module.PIECE = before


def test_what_has_no_end_or_is_no_json_comes_as_it_is():
    assert cut('[{"a": 1}, {"b') == [b'{"a": 1}', b'{"b']
    assert cut('[{"a": 1}, oops {"b": 2}]') == [b'{"a": 1}', b"oops", b'{"b": 2}']


def test_heads():
    assert json_head(b"Prose.") is None
    assert json_head(b"{not json}") is None
    assert json_head(b"[1] A note.") is None
    lines = json_head(b'{"text": "a"}\n{"text": "b"}\n')
    assert lines is not None
    assert (lines.lines, lines.listed, len(lines.values)) == (True, False, 2)
    pretty = json_head(b'{\n "text": "a"\n}\n')
    assert pretty is not None
    assert not pretty.lines
    long = json_head(b'{"text": "' + b"x" * 70_000)
    assert long is not None
    assert (long.cut, long.lines, long.values) == (True, True, [])
    for text in (b'{"a": tru', b'{"a"', b'{"a": [1, ', b'{"a": "\\u12', b"{", b'{"a": -'):
        found = json_head(text)
        assert found is not None, text
        assert found.cut
    huge = json_head(b'{"text": "a", "n": ' + b"9" * 5000 + b"}\n")
    assert huge is not None
    assert huge.lines
