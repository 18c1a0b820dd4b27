"""Shape, vocabulary and rows of a pretraining run, by the checkpoint that it starts from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from safetensors.torch import save_file

from bertkit.backends import registry
from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.tasks.pretraining.start import starting_point
from bertkit.tokenization.vocabulary import save_vocab
from bertkit.train.checkpoints.checkpoint import latest
from tasks.pretraining.conftest import SHAPE

CPU = registry.get("cpu")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{i}" for i in range(59))]


@pytest.fixture
def start(tmp_path):
    place = tmp_path / "start"
    save_pretrained(BertForPreTraining(SHAPE), place)
    save_vocab(place / "vocab.txt", TOKENS)
    return place


def test_the_shape_is_the_checkpoints_and_its_vocabulary_goes_on(settings, start):
    config = settings(init_checkpoint=str(start), model=BertConfig())
    ready = prepare(config, CPU)
    assert ready.config.model == SHAPE
    assert ready.vocab == (start / "vocab.txt").read_bytes()
    assert ready.tokens == 64
    assert starting_point(settings(), {}) is None


def test_a_mask_made_here_takes_that_vocabulary_too(settings, start):
    config = settings(init_checkpoint=str(start), mask="dynamic")
    assert prepare(config, CPU).config.vocab == str(start / "vocab.txt")
    assert "--mask dynamic needs --vocab" in settings(mask="dynamic").problems()
    assert "--text needs --vocab" in settings(text=["x"], input=[]).problems()


def test_padding_rows_count_no_token(settings, start):
    wider = settings(init_checkpoint=str(start), model=replace(SHAPE, vocab_size=128))
    ready = prepare(wider, CPU, {"model.vocab_size": "--set"})
    assert (ready.config.model.vocab_size, ready.tokens) == (128, 64)
    assert prepare(wider, CPU).config.model.vocab_size == 64  # nobody gave another


def test_without_a_configuration_the_users_sizes_serve(settings, tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file(BertForPreTraining(SHAPE).state_dict(), path)
    config = settings(init_checkpoint=str(path))
    with pytest.raises(ConfigError, match="how many attention heads"):
        prepare(config, CPU)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    origins = {f"model.{name}": "shape.json" for name in names}
    assert prepare(config, CPU, origins).config.model == SHAPE


def test_a_file_gives_the_shape_of_new_weights(settings, tmp_path):
    SHAPE.to_file(tmp_path / "shape.json")
    config = settings(model_config=str(tmp_path / "shape.json"), model=BertConfig())
    assert prepare(config, CPU).config.model == replace(SHAPE, vocab_size=64)
    wide = replace(config, model=BertConfig(hidden_size=24))
    with pytest.raises(ConfigError, match="hidden_size 16, given 24"):
        prepare(wide, CPU, {"model.hidden_size": "--set"})


def test_a_run_that_was_begun_needs_its_start_no_more(settings, start):
    config = settings(init_checkpoint=str(start), max_steps=1, model=BertConfig())
    pretrain(config, CPU)
    shutil.rmtree(start)
    assert prepare(config, CPU).config.model == SHAPE
    with pytest.raises(DataError, match="no such checkpoint"):
        prepare(replace(config, output=f"{config.output}2"), CPU)


def test_the_dropout_that_a_classifier_wants_goes_on(settings, start):
    """transformers gives a classifier the `classifier_dropout` of the configuration."""
    place = start / "config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "classifier_dropout": 0.25}))
    config = settings(init_checkpoint=str(start), max_steps=1, model=BertConfig())
    pretrain(config, CPU)
    kept = json.loads((latest(config.output) / "config.json").read_text())
    assert kept["classifier_dropout"] == 0.25
    shutil.rmtree(start)
    pretrain(replace(config, max_steps=2), CPU)
    kept = json.loads((latest(config.output) / "config.json").read_text())
    assert kept["classifier_dropout"] == 0.25
