"""`bertkit train-vocab`: a vocabulary from text, the same on every run."""

from __future__ import annotations

import json

import pytest

from bertkit.tokenization.normalisation import CASED, UNCASED, Normalisation
from bertkit.tokenization.tokenizer_files import of_vocabulary
from bertkit.tokenization.vocabulary import load_vocab

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    words = ["Whale", "whales", "Sail", "sailed", "sailing", "Café"]
    path.write_text(" ".join(words * 30) + "\n", encoding="utf-8")
    return path


def tokens(path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_size_special_tokens_and_bytes(bertkit, text, tmp_path):
    words = ["train-vocab", "--input", text, "--size", 40]
    done = bertkit(*words, "--output", tmp_path / "a.txt", "--json")
    assert done.status == 0, done.err
    assert done.result["output"] == str(tmp_path / "a.txt")
    assert done.result["tokens"] == len(tokens(tmp_path / "a.txt")) <= 40
    assert tokens(tmp_path / "a.txt")[:5] == SPECIAL
    bertkit(*words, "--output", tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_lower_case_and_cased(bertkit, text, tmp_path):
    words = ["train-vocab", "--input", text, "--size", 60]
    lower = bertkit(*words, "--output", tmp_path / "lower.txt")
    cased = bertkit(*words, "--output", tmp_path / "cased.txt", "--cased")
    letters = {token.removeprefix("##") for token in tokens(tmp_path / "lower.txt")[5:]}
    assert all(token == token.lower() for token in letters) and "é" not in letters
    letters = {token.removeprefix("##") for token in tokens(tmp_path / "cased.txt")[5:]}
    assert {"W", "S", "C", "é"} <= letters
    # The next command tokenizes as the vocabulary was made, without being told.
    for done in (lower, cased):
        following = done.err.rpartition("Next:")[2]
        assert " bertkit extract" in following and "--cased" not in following
    assert "lower case, accents stripped" in lower.err + lower.out
    assert "cased, accents kept" in cased.err + cased.out
    facts = json.loads((tmp_path / "cased.txt.json").read_text())
    assert facts["do_lower_case"] is False
    assert of_vocabulary(load_vocab(tmp_path / "cased.txt")).normalisation == CASED
    assert of_vocabulary(load_vocab(tmp_path / "lower.txt")).normalisation == UNCASED


def test_lower_case_with_accents_and_whole_cjk_words(bertkit, text, tmp_path):
    text.write_text("Yaşama ÇAĞRI yaşama 中国 人 中国\n" * 20, encoding="utf-8")
    words = ["train-vocab", "--input", text, "--size", 60, "--output", tmp_path / "v.txt"]
    flags = ["--keep-accents", "--no-tokenize-chinese-chars"]
    done = bertkit(*words, *flags, "--json")
    assert done.result["facts"] == str(tmp_path / "v.txt.json")
    made = tokens(tmp_path / "v.txt")
    assert {"yaşama", "çağri", "中国"} <= set(made)
    wanted = Normalisation(strip_accents=False, tokenize_chinese_chars=False)
    assert of_vocabulary(load_vocab(tmp_path / "v.txt")).normalisation == wanted


def test_rare_pairs_are_not_merged(bertkit, text, tmp_path):
    words = ["train-vocab", "--input", text, "--size", 100]
    bertkit(*words, "--output", tmp_path / "often.txt", "--min-frequency", 1000)
    assert all(len(t.removeprefix("##")) == 1 for t in tokens(tmp_path / "often.txt")[5:])
    bertkit(*words, "--output", tmp_path / "all.txt")
    assert "whale" in tokens(tmp_path / "all.txt")


def test_an_existing_file_stays_unless_told_otherwise(bertkit, text, tmp_path):
    (tmp_path / "vocab.txt").write_text("mine\n")
    words = ["train-vocab", "--input", text, "--output", tmp_path / "vocab.txt", "--size", 40]
    refused = bertkit(*words)
    assert refused.status == 2 and "--overwrite" in refused.err
    assert (tmp_path / "vocab.txt").read_text() == "mine\n"
    assert bertkit(*words, "--overwrite").status == 0
    assert tokens(tmp_path / "vocab.txt")[:5] == SPECIAL


def test_usage(bertkit, text, tmp_path):
    assert bertkit("train-vocab", "-i", text, "-o", tmp_path / "v", "--size", 15).status == 2
    gone = bertkit("train-vocab", "-i", tmp_path / "gone", "-o", tmp_path / "v")
    assert gone.status == 3 and "gone" in gone.err


def test_compressed_and_remote_text(bertkit, text, tmp_path):
    import gzip

    import fsspec

    words = ["train-vocab", "--size", 40, "--json"]
    plain = bertkit(*words, "--input", text, "--output", tmp_path / "a.txt").result
    (tmp_path / "text.gz").write_bytes(gzip.compress(text.read_bytes()))
    packed = bertkit(*words, "--input", tmp_path / "text.gz", "--output", tmp_path / "b.txt")
    assert packed.result["sha256"] == plain["sha256"]
    with fsspec.open("memory://vocab/text.txt", "wb") as stream:
        stream.write(text.read_bytes())
    remote = bertkit(*words, "--input", "memory://vocab/text.txt", "--output", tmp_path / "c.txt")
    assert remote.result["sha256"] == plain["sha256"]


def test_how_many_characters(bertkit, text, tmp_path):
    words = ["train-vocab", "--input", text, "--size", 60, "--json"]
    few = bertkit(*words, "--output", tmp_path / "a.txt", "--alphabet", 5)
    assert few.result["characters"] == 5 and few.result["unknown_share"] > 0.3
    assert "[UNK]" in few.err
    share = bertkit(*words, "--output", tmp_path / "b.txt", "--alphabet", "90%").result
    assert 5 < share["characters"] < share["different_characters"]
    assert bertkit(*words, "--output", tmp_path / "c.txt", "--alphabet", "much").status == 2


def test_next_step_names_the_text_that_was_read(bertkit, text, tmp_path):
    done = bertkit("train-vocab", "--input", text, "--size", 40, "--output", tmp_path / "a.txt")
    assert f"Next: bertkit extract --input {text} --output" in done.err  # it is one long line
    text.write_text("The whale dives.\nIt breathes.\n\nThe ship sails.\n" * 20)
    words = ["train-vocab", "--input", text, "--size", 40, "--output", tmp_path / "b.txt"]
    assert f"Next: bertkit make-records --input {text} --output" in bertkit(*words).err
