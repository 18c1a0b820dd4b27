"""Training a vocabulary: the same bytes every time, and usable at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.tokenization.normalisation import CASED
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.vocabulary_training import train_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    """English prose and code that every Python carries."""
    from pydoc_data import topics

    path = tmp_path_factory.mktemp("text") / "topics.txt"
    whole = "\n\n".join(topics.topics[name] for name in sorted(topics.topics))
    path.write_text(whole[:150_000] + "\nÉtude — naïve 漢字\n" * 3, encoding="utf-8")
    return str(path)


def test_the_same_bytes_in_another_process(text, tmp_path):
    """The library's own order changes with the seed of its hash tables."""
    train_vocab([text], tmp_path / "one.txt", 1000)
    program = (
        "import sys; from bertkit.tokenization.vocabulary_training import train_vocab;"
        "train_vocab([sys.argv[1]], sys.argv[2], 1000)"
    )
    subprocess.run(
        [sys.executable, "-c", program, text, str(tmp_path / "two.txt")], check=True, timeout=120
    )
    assert (tmp_path / "one.txt").read_bytes() == (tmp_path / "two.txt").read_bytes()


def test_order_of_the_tokens(text, tmp_path):
    result = train_vocab([text], tmp_path / "v.txt", 1000)
    vocab = load_vocab(tmp_path / "v.txt")
    assert result.tokens == len(vocab) == 1000
    assert result.sha256 == vocab.sha256
    assert vocab.tokens[:5] == SPECIAL
    singles = [token for token in vocab.tokens[5:] if len(token) == 1]
    assert vocab.tokens[5 : 5 + len(singles)] == singles == sorted(singles)
    assert {"漢", "字", "—", "e"} <= set(singles)
    assert "É" not in singles
    assert "##漢" not in vocab.ids
    assert "##," not in vocab.ids
    assert "the" in vocab.ids


def test_no_word_of_the_text_is_unknown(text, tmp_path):
    train_vocab([text], tmp_path / "v.txt", 1000)
    cut = WordPieceTokenizer(load_vocab(tmp_path / "v.txt"))
    for line in Path(text).read_text(encoding="utf-8").split("\n"):
        assert "[UNK]" not in cut.tokenize(line)


def test_cased(text, tmp_path):
    train_vocab([text], tmp_path / "v.txt", 600, CASED)
    vocab = load_vocab(tmp_path / "v.txt")
    assert "É" in vocab.ids
    assert "T" in vocab.ids
    cut = WordPieceTokenizer(vocab, CASED)
    assert "[UNK]" not in cut.tokenize("The Étude")


def test_an_odd_size_gets_advice(text, tmp_path, caplog):
    with caplog.at_level("WARNING", "bertkit"):
        train_vocab([text], tmp_path / "v.txt", 501)
    assert "501 tokens: a multiple of 8" in caplog.text


def test_errors(text, tmp_path):
    out = tmp_path / "v.txt"
    with pytest.raises(UsageError, match="--size 20 is too small"):
        train_vocab([text], out, 20)
    (tmp_path / "bad.txt").write_bytes(b"fine\n" * 1000 + b"b\xe4d\n")
    with pytest.raises(DataError, match=r"bad.txt:1001: not UTF-8 at byte 5001 \(0xe4\)"):
        train_vocab([text, str(tmp_path / "bad.txt")], out, 600)
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(DataError, match="no text"):
        train_vocab([str(tmp_path / "empty.txt")], out, 600)
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        train_vocab([text], out, 600)
    assert out.read_text() == "mine"
    train_vocab([text], out, 600, overwrite=True)
    assert len(load_vocab(out)) == 600
