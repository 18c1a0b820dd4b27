"""Lines of JSON, with the place of what is wrong."""

from __future__ import annotations

import pytest

from bertkit.codecs.json_lines import json_objects, parse_json
from bertkit.errors import DataError


def test_objects_have_the_numbers_of_their_lines():
    lines = ['{"a": 1}\n', "\n", "  ", '{"b": [2]}']
    assert list(json_objects(lines, "x")) == [(1, {"a": 1}), (4, {"b": [2]})]


@pytest.mark.parametrize(
    ("line", "reason"), [("[1]", "not an object"), ("{", "not JSON"), ("[" * 100_000, "not JSON")]
)
def test_what_is_wrong_has_its_line_and_a_hint(line, reason):
    with pytest.raises(DataError, match=f"x:3: {reason}") as error:
        list(json_objects(["{}", "", line], "x", "such as {}"))
    assert error.value.hint == "such as {}"


def test_a_key_that_is_there_twice_is_named_at_once():
    many = ", ".join(f'"k{number}": 0' for number in range(100_000))
    with pytest.raises(DataError, match="x: the key 'k99999' is there twice"):
        parse_json(f'{{{many}, "k99999": 1}}', "x")
