"""The wrong thing in the right place is named, with what belongs there."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import load_yaml
from bertkit.errors import DataError
from bertkit.kinds import recognise
from bertkit.kinds.misplaced import misplaced, refuse_misplaced
from bertkit.report.views.inspected import kind_of_input
from bertkit.text.unsplit import check_sentence_files
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


def test_settings_and_sentences_of_another_kind_are_looked_at_once(tmp_path, monkeypatch):
    """The error is made of what was found; the file is not read again for it."""
    (tmp_path / "vocab.txt").write_text(
        "".join(
            f"{word}\n" for word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "c")
        )
    )
    looked = []
    true = recognise.kind_of_bytes

    def counted(head):
        looked.append(len(head))
        return true(head)

    monkeypatch.setattr(recognise, "kind_of_bytes", counted)
    monkeypatch.setattr("bertkit.text.unsplit.kind_of_bytes", counted)
    vocab = str(tmp_path / "vocab.txt")
    for call in (lambda: check_sentence_files([vocab]), lambda: load_yaml(vocab)):
        del looked[:]
        with pytest.raises(DataError, match="is a vocabulary, not"):
            call()
        assert len(looked) == 1
    del looked[:]
    assert kind_of_input(vocab, lambda name: False) == "words" and len(looked) == 1
