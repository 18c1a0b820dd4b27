"""`bertkit.clean` against the command of the same name."""

from __future__ import annotations

import pytest

import bertkit as api
from bertkit.errors import ConfigError, UsageError

TEXT = "The old whale dives deep.\nIt comes up again.\n\n"


@pytest.fixture
def docs(tmp_path):
    place = tmp_path / "docs"
    place.mkdir()
    (place / "part.txt").write_text(TEXT * 2 + "A ship sails to the north.\n")
    return place


def test_a_report_writes_nothing_and_dropping_writes_what_the_command_writes(
    docs, tmp_path, bertkit
):
    found = api.clean(docs)
    assert (found.documents, found.criteria["exact"]["documents"], found.parts) == (3, 1, 0)
    ours = api.clean(docs, tmp_path / "ours", {"drop": ["exact"]}, listing=tmp_path / "list.jsonl")
    assert ours.kept["documents"] == 2 and (tmp_path / "list.jsonl").read_text().count("\n") == 1
    words = ("--drop", "exact", "--output", tmp_path / "theirs")
    assert bertkit("clean", "--input", docs, *words).status == 0
    (part,) = (tmp_path / "ours").glob("*.txt")
    assert part.read_bytes() == (tmp_path / "theirs" / part.name).read_bytes()


def test_what_is_refused(docs, tmp_path):
    with pytest.raises(UsageError):
        api.clean(docs, tmp_path / "out")
    with pytest.raises(ConfigError, match="did you mean 'drop'"):
        api.clean(docs, tmp_path / "out", dropp=["exact"])
