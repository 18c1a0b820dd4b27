"""`tokenizer.json` files that transformers and tokenizers wrote, read as vocabularies."""

from __future__ import annotations

import json

import pytest
import tokenizers
import transformers

from bertkit.errors import DataError
from bertkit.tokenization.tokenizer_json import tokens_of
from bertkit.tokenization.vocabulary import (
    find_vocab,
    load_vocab,
    save_vocab,
    vocabulary_bytes,
)
from bertkit.tokenization.wordpiece import WordPieceTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", "ö", "ü", "."]


@pytest.fixture
def folder(tmp_path):
    """A folder that transformers saved: tokenizer.json, and no vocab.txt since version 5."""
    save_vocab(tmp_path / "words.txt", TOKENS)
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "words.txt"))
    tokenizer.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "vocab.txt").unlink(missing_ok=True)
    return tmp_path / "saved"


def test_ids_and_digest_are_those_of_the_vocabulary(tmp_path, folder):
    plain = load_vocab(tmp_path / "words.txt")
    for given in (folder, folder / "tokenizer.json"):
        found = load_vocab(find_vocab(given))
        assert (found.tokens, found.ids, found.sha256) == (plain.tokens, plain.ids, plain.sha256)
    assert vocabulary_bytes(find_vocab(folder)) == (tmp_path / "words.txt").read_bytes()
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    text = "The cats sat."
    own = WordPieceTokenizer(found)
    assert own.ids(own.tokenize(text)) == theirs(text, add_special_tokens=False).input_ids


def test_added_tokens_have_their_ids_at_the_end(tmp_path, folder):
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert theirs.add_tokens(["covid", "[ENT]"]) == 2
    theirs.save_pretrained(tmp_path / "more")
    save_vocab(tmp_path / "more" / "vocab.txt", TOKENS)  # as transformers 4 leaves it
    found = load_vocab(find_vocab(tmp_path / "more"))
    assert found.ids == theirs.get_vocab()
    assert found.tokens[-2:] == ["covid", "[ENT]"] and len(found) == len(TOKENS) + 2
    assert tokens_of(tmp_path / "more" / "tokenizer.json", with_added=False) == TOKENS


def test_vocab_txt_counts_where_both_are_the_same(tmp_path, folder):
    save_vocab(folder / "vocab.txt", TOKENS)
    assert find_vocab(folder) == str(folder / "vocab.txt")
    with pytest.raises(DataError, match="no vocabulary in folder") as caught:
        find_vocab(tmp_path)
    assert "vocab.txt and no tokenizer.json" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (tokenizers.models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]), "BPE"),
        (tokenizers.models.Unigram([("a", 0.0), ("b", -1.0)], 0, False), "Unigram"),
        (tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"), "WordLevel"),
    ],
)
def test_other_tokenizers_are_named(tmp_path, model, name):
    path = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(model).save(str(path))
    with pytest.raises(DataError, match=f"holds a {name} tokenizer, bertkit reads WordPiece"):
        load_vocab(find_vocab(tmp_path))
    with pytest.raises(DataError, match=f"holds a {name} tokenizer"):
        tokens_of(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab": {"[PAD]": 0, "a": 2}}, "not numbered 0, 1, 2, ...: 'a' has id 2, 1 was"),
        ({"vocab": {"a\nb": 0}}, "holds a line end"),
        ({"vocab": ["a"]}, "not a table of tokens"),
        ({"vocab": {"a": True}}, "not a table of tokens"),
        ({"continuing_subword_prefix": "@@"}, 'continuing_subword_prefix is "@@"'),
        ({"unk_token": "<unk>"}, 'unk_token is "<unk>"'),
        ({"type": None, "merges": []}, "holds a BPE tokenizer"),
    ],
)
def test_files_that_cannot_be_read(folder, change, message):
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    values["model"] |= change
    values["added_tokens"] = []
    path.write_text(json.dumps(values))
    with pytest.raises(DataError) as caught:
        tokens_of(path)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "not a tokenizer.json"),
        ({"a": 0}, "not a tokenizer.json"),  # a vocab.json of RoBERTa
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]}, "without content or id"),
        (
            {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "a"}]},
            "'a' has the ids 0 and 1",
        ),
    ],
)
def test_files_of_another_kind(tmp_path, values, message):
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=message):
        tokens_of(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "entry", ["[PAD]", 5, [1], {"content": "x"}, {"content": 5, "id": 1}, None]
)
def test_added_tokens_of_another_form_are_refused(tmp_path, entry):
    model = {"type": "WordPiece", "vocab": {"[UNK]": 0}}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": model, "added_tokens": [entry]}))
    with pytest.raises(DataError, match="an entry without content or id"):
        tokens_of(path)


def test_a_token_with_two_ids_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 1, "a": 2}}}')
    with pytest.raises(DataError, match="the key 'a' is there twice"):
        tokens_of(path)
