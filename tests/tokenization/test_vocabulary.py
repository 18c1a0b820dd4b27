"""Vocabularies: every trap of the file format, and the ones that ship."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from bertkit.errors import DataError
from bertkit.tokenization import vocabulary as module
from bertkit.tokenization.vocabulary import find_vocab, load_vocab, save_vocab, shipped_vocabs

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode("utf-8"))
    return path


def test_ids_are_line_numbers(tmp_path):
    vocab = load_vocab(write(tmp_path / "v.txt", *SPECIAL, "the", "##s"))
    assert vocab.tokens == [*SPECIAL, "the", "##s"]
    assert (vocab.pad_id, vocab.unk_id, vocab.cls_id, vocab.sep_id, vocab.mask_id) == (
        0,
        1,
        2,
        3,
        4,
    )
    assert vocab.ids["##s"] == 6
    assert len(vocab) == 7
    assert vocab.token(5) == "the"
    assert vocab.token(99) == "<99>"
    assert vocab.sha256 == hashlib.sha256((tmp_path / "v.txt").read_bytes()).hexdigest()


def test_lines_are_stripped_and_carriage_returns_dropped(tmp_path):
    vocab = load_vocab(write(tmp_path / "v.txt", *SPECIAL, " the\t", "\u3000a", end="\r\n"))
    assert vocab.tokens[5:] == ["the", "a"]


def test_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("\n".join([*SPECIAL, "the"]), "utf-8-sig")
    assert load_vocab(path).tokens == [*SPECIAL, "the"]


def test_a_file_without_a_last_line_end_has_the_same_tokens(tmp_path):
    (tmp_path / "v.txt").write_text("\n".join(SPECIAL), encoding="utf-8")
    assert load_vocab(tmp_path / "v.txt").tokens == SPECIAL


def test_duplicates_are_refused_with_both_lines(tmp_path):
    path = write(tmp_path / "v.txt", *SPECIAL, "a", "b", "a ")
    with pytest.raises(DataError, match=r"v.txt:8: 'a' is already on line 6"):
        load_vocab(path)


def test_first_duplicate_counts_and_numbers_have_no_gap(tmp_path):
    vocab = load_vocab(write(tmp_path / "v.txt", *SPECIAL, "a", "b", "a", "c"), "first")
    assert vocab.tokens == [*SPECIAL, "a", "b", "c"]
    assert [vocab.ids[token] for token in "abc"] == [5, 6, 7]
    assert len(vocab) == 8


def test_last_duplicate_counts_and_numbers_are_lines(tmp_path):
    vocab = load_vocab(write(tmp_path / "v.txt", *SPECIAL, "a", "b", "a", "c"), "last")
    assert vocab.tokens == [*SPECIAL, "a", "b", "c"], "drawn in the order of first occurrence"
    assert [vocab.ids[token] for token in "abc"] == [7, 6, 8]
    assert len(vocab) == 9
    assert vocab.token(7) == "a"


def test_missing_special_tokens_are_named(tmp_path):
    path = write(tmp_path / "v.txt", "[PAD]", "[UNK]", "[CLS]", "the")
    with pytest.raises(DataError, match=r"no line holds \[SEP\], \[MASK\] \(4 tokens read\)"):
        load_vocab(path)


def test_empty_file(tmp_path):
    (tmp_path / "v.txt").touch()
    with pytest.raises(DataError, match=r"v.txt: the vocabulary is empty"):
        load_vocab(tmp_path / "v.txt")


def test_not_utf8_names_line_and_byte(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"[PAD]\n[UNK]\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"v.txt:3: not UTF-8 at byte 15 \(0xe9\)"):
        load_vocab(tmp_path / "v.txt")


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        load_vocab(tmp_path / "none.txt")
    with pytest.raises(DataError) as caught:
        find_vocab("no-such-name")
    assert "bertkit-uncased-8k" in caught.value.hint


def test_save_and_load(tmp_path):
    digest = save_vocab(tmp_path / "v.txt", [*SPECIAL, "naïve"])
    vocab = load_vocab(tmp_path / "v.txt")
    assert vocab.tokens[-1] == "naïve"
    assert vocab.sha256 == digest


def test_shipped_vocabulary_is_the_one_its_page_describes():
    vocab = load_vocab(find_vocab("bertkit-uncased-8k"))
    assert len(vocab) == 8192
    assert vocab.tokens[:5] == SPECIAL
    assert vocab.sha256 in (ROOT / "vocab" / "README.md").read_text(encoding="utf-8")


def test_shipped_vocabularies_are_found_without_an_installation(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(module.importlib.resources, "files", missing)
    assert shipped_vocabs()["bertkit-uncased-8k"] == ROOT / "vocab" / "bertkit-uncased-8k.txt"


KNOWN = {
    "bert-base-uncased": "bert-base-uncased-vocab.txt",
    "bert-base-cased": "bert-base-cased-vocab.txt",
    "bert-base-chinese": "bert-base-chinese-vocab.txt",
    "pubmed-abstracts-uncased": "uncased_pubmed_abstracts_only_vocab.txt",
    "pubmed-abstracts-and-fulltext-uncased": "uncased_pubmed_abstracts_and_fulltext_vocab.txt",
}


@pytest.mark.parametrize("name", KNOWN)
def test_public_vocabularies_are_as_known(name, shared):
    entries = yaml.safe_load((ROOT / "vocab" / "known.yaml").read_text(encoding="utf-8"))
    known = next(entry for entry in entries if entry["name"] == name)
    assert {entry["name"] for entry in entries} == set(KNOWN)
    path = shared / "data" / "vocab" / KNOWN[name]
    blob = path.read_bytes()
    vocab = load_vocab(path)
    assert known["size"] == len(blob)
    assert known["md5"] == hashlib.md5(blob).hexdigest()
    assert known["sha256"] == vocab.sha256
    assert known["tokens"] == len(vocab) == len(vocab.tokens)
