"""A small world of questions that the squad tests share."""

from __future__ import annotations

import json
import lzma

import pytest

from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.squad.world import WORDS


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]) + "\n"
    )
    return path


@pytest.fixture
def tokenizer(vocab_file):
    return WordPieceTokenizer(load_vocab(vocab_file))


@pytest.fixture(scope="session")
def uncased(shared):
    """The tokenizer of the public uncased vocabulary."""
    return WordPieceTokenizer(load_vocab(shared / "data/vocab/bert-base-uncased-vocab.txt"))


@pytest.fixture(scope="session")
def exact_articles(shared):
    """The 44 training articles whose features are known, as a SQuAD object."""
    folder = shared / "data/squad"
    whole = json.loads(lzma.decompress((folder / "train-v1.1.reconstructed.json.xz").read_bytes()))
    titles = set((folder / "train-v1.1.reconstructed.exact_titles.txt").read_text().split("\n"))
    return {"version": "1.1", "data": [a for a in whole["data"] if a["title"] in titles]}


@pytest.fixture
def write(tmp_path):
    """Write an object as a JSON file of the given name."""

    def function(name: str, value: object):
        path = tmp_path / name
        path.write_text(json.dumps(value))
        return path

    return function
