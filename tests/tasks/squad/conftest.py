"""A small world of questions that the squad tests share."""

from __future__ import annotations

import json
import lzma
import shutil

import pytest
import torch

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.squad.world import PEOPLE, RIVERS, SIZES, WORDS, squad


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


@pytest.fixture
def encoder(tmp_path, vocab_file):
    """A pretraining checkpoint with the vocabulary beside it."""
    torch.manual_seed(0)
    size = len(vocab_file.read_text().split())
    place = tmp_path / "encoder"
    save_pretrained(BertForPreTraining(BertConfig(vocab_size=size, **SIZES)), place)
    shutil.copy(vocab_file, place / "vocab.txt")
    return place


@pytest.fixture
def settings(tmp_path, encoder, write):
    file = str(write("train.json", squad(RIVERS, PEOPLE)))
    return {
        "train_file": file, "predict_file": file, "init_checkpoint": str(encoder),
        "output": str(tmp_path / "run"), "max_seq_length": 48, "doc_stride": 16,
        "max_query_length": 12, "global_batch_size": 5, "max_steps": 80, "learning_rate": 1e-3,
        "save_every": 40,
    }  # fmt: skip
