"""The tokenizer object, against that of transformers."""

from __future__ import annotations

import pytest

import bertkit
from bertkit.errors import DataError, UsageError
from bertkit.tokenization.vocabulary import shipped_vocabs

TEXTS = ["The list's items, in Ünïcode — 世界!", "What is [MASK]?", "a " * 30, ""]
NAME = "bertkit-uncased-8k"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("vocab")
    (folder / "vocab.txt").write_bytes(shipped_vocabs()[NAME].read_bytes())
    return transformers.BertTokenizer.from_pretrained(folder, do_lower_case=True)


@pytest.mark.parametrize("max_length", [None, 12])
@pytest.mark.parametrize("pairs", [None, ["A second one.", "b " * 20, "short", "x"]])
def test_texts_become_the_tensors_of_transformers(theirs, pairs, max_length):
    ours = bertkit.load_tokenizer(NAME)
    found = ours(TEXTS, pairs, max_length)
    settings = {"max_length": max_length, "truncation": "longest_first"} if max_length else {}
    wanted = theirs(TEXTS, pairs, padding=True, return_tensors="pt", **settings)
    assert found.keys() == wanted.keys()
    for name, values in found.items():
        assert values.tolist() == wanted[name].tolist(), name


def test_numbers_become_text():
    ours = bertkit.load_tokenizer(NAME)
    ids = ours.encode("The statements of a list", "Two").input_ids
    assert ours.decode(ids) == "the statements of a list two"
    assert ours.decode(ids, special_tokens=True).startswith("[CLS] the")
    assert len(ours) == len(ours.vocab)
    assert repr(ours) == "<tokenizer of 8,192 tokens, lower case, accents stripped>"


def test_casing_is_that_of_the_vocabulary(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "a", "é", "e"]
    (tmp_path / "cased.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    cased = bertkit.load_tokenizer(tmp_path / "cased.txt", do_lower_case=False)
    assert cased.tokenize("A é") == ["A", "é"]
    lower = bertkit.load_tokenizer(tmp_path / "cased.txt", do_lower_case=True)
    assert lower.tokenize("A é") == ["a", "e"]


def test_refusals():
    ours = bertkit.load_tokenizer(NAME)
    with pytest.raises(UsageError, match="2 texts and 1 second texts"):
        ours(["a", "b"], ["c"])
    with pytest.raises(UsageError, match="leaves no room"):
        ours.encode("a", "b", max_length=3)
    with pytest.raises(DataError, match="no such checkpoint: no-such-vocabulary"):
        bertkit.load_tokenizer("no-such-vocabulary")
