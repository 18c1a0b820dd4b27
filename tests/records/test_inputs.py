"""Which sentence files are made into records."""

from __future__ import annotations

import pytest

from bertkit.corpus.config import SplitConfig
from bertkit.corpus.splitting.split import split
from bertkit.errors import UsageError
from bertkit.records.inputs import list_inputs


@pytest.fixture
def folder(tmp_path):
    """What `bertkit split` writes."""
    documents = [f"The whale {n} dives.\nIt sails {n}.\n" for n in range(40)]
    (tmp_path / "all.txt").write_text("\n".join(documents))
    split([str(tmp_path / "all.txt")], str(tmp_path / "parts"), SplitConfig(valid=0.2))
    return tmp_path / "parts"


def test_held_out_text_beside_that_to_train_on_is_said(folder, caplog):
    assert len(list_inputs([str(folder)])) == 2
    (said,) = [text for text in caplog.messages if "put aside" in text]
    assert "(valid.txt)" in said and f"give {folder / 'train'}" in said


def test_each_part_by_itself_needs_no_word(folder, caplog):
    assert len(list_inputs([str(folder / "train")])) == 1
    assert list_inputs([str(folder / "valid.txt")]) == [str(folder / "valid.txt")]
    assert caplog.messages == []


def test_a_prefix_is_for_lists(folder):
    with pytest.raises(UsageError, match="goes with a list"):
        list_inputs([str(folder)], prefix="elsewhere")
