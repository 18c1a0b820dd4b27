"""The wrong thing in the right place is named, with what belongs there."""

from __future__ import annotations

import pytest

from bertkit.errors import DataError
from bertkit.kinds import recognise
from bertkit.kinds.misplaced import misplaced, refuse_misplaced
from bertkit.tokenization.vocabulary import find_vocab


def test_what_belongs_there_is_no_error(tmp_path):
    (tmp_path / "a.txt").write_text("The whale dives.\n")
    assert misplaced(tmp_path / "a.txt", recognise.TEXT) is None
    assert misplaced(tmp_path, recognise.TEXT) is None
    assert misplaced(tmp_path / "nowhere", recognise.TEXT) is None
    refuse_misplaced(tmp_path, recognise.TEXT)


@pytest.mark.parametrize(
    ("needed", "message", "hint"),
    [
        (recognise.RECORDS, "holds text, not record files", "`bertkit make-records` makes"),
        (recognise.VOCABULARY, "holds text, not a vocabulary", "one token per line"),
        (recognise.CHECKPOINT, "holds text, not a checkpoint", "`bertkit pretrain`"),
        (recognise.SETTINGS, "holds text, not settings", "YAML"),
    ],
)
def test_text_elsewhere(tmp_path, needed, message, hint):
    (tmp_path / "a.txt").write_text("The whale dives.\n")
    for place in (tmp_path, tmp_path / "a.txt"):
        found = misplaced(place, needed)
        assert found.message == f"{place} {message}" and hint in found.hint


def test_a_file_is_what_it_is():
    vocab = find_vocab("bertkit-uncased-8k")
    with pytest.raises(DataError, match="is a vocabulary, not text"):
        refuse_misplaced(vocab, recognise.TEXT)
