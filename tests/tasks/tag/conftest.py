"""A small world of sentences with names of people and places."""

from __future__ import annotations

import random
import shutil

import pytest
import torch

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.model.bert import BertModel
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.tasks.finetuning.run import finetune
from bertkit.tasks.tag.config import TagConfig

WORDS = "anna otto maria paris london saw went to from in and the a un ##der ##s new york . ,"
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 40, "initializer_range": 0.1,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
TRAIN = """\
Anna B-PER
saw O
Otto B-PER
in O
New B-LOC
York I-LOC
. O

-DOCSTART- O

Maria B-PER
went O
unders O
Paris B-LOC
and O
London B-LOC

the O
Otto B-PER
from O
London B-LOC
"""
TAGS = {"New": "B-LOC", "York": "I-LOC", "Paris": "B-LOC", "London": "B-LOC"} | dict.fromkeys(
    ("Anna", "Otto", "Maria"), "B-PER"
)


def more(sentences: int) -> str:
    """Random sentences in which a word tells its tag, whatever is around it."""
    draw = random.Random(0)
    words = ["Anna", "Otto", "Maria", "Paris", "London", "New York", "saw", "in", "the", ".", "q"]
    chosen = [draw.choices(words, k=draw.randint(1, 9)) for _ in range(sentences)]
    return "".join(
        "\n" + "".join(f"{word} {TAGS.get(word, 'O')}\n" for word in " ".join(own).split())
        for own in chosen
    )


@pytest.fixture
def encoder(tmp_path):
    """An encoder with its vocabulary beside it."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    torch.manual_seed(0)
    place = tmp_path / "encoder"
    save_pretrained(BertModel(BertConfig(vocab_size=len(tokens), **SIZES)), place)
    (place / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return place


@pytest.fixture
def settings(tmp_path, encoder):
    (tmp_path / "eval.conll").write_text(TRAIN)
    (tmp_path / "train.conll").write_text(TRAIN + more(60))
    return {
        "train_file": str(tmp_path / "train.conll"),
        "eval_file": [str(tmp_path / "eval.conll")], "init_checkpoint": str(encoder),
        "output": str(tmp_path / "run"), "max_seq_length": 12, "window_overlap": 4,
        "global_batch_size": 8, "max_steps": 60, "learning_rate": 1e-2, "save_every": 100,
    }  # fmt: skip


@pytest.fixture
def run(settings):
    """Runs the task with some settings changed."""

    def function(overwrite: bool = False, **changes):
        return finetune(TagConfig(**{**settings, **changes}), CpuAdapter(), overwrite)

    return function


@pytest.fixture
def trained(run, settings, tmp_path):
    """The folder of a run that has learnt the small world; free of what it came from."""
    run()
    shutil.rmtree(tmp_path / "encoder")
    settings |= {"train_file": None, "init_checkpoint": None}
    return tmp_path / "run"
