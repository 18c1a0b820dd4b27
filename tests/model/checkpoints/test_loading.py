"""Checkpoints of any format as weights, as a configuration, and in a model."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import formats, loading
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from bertkit.model.parameter_names import WORD_EMBEDDINGS
from model.checkpoints.common import same


def test_what_is_no_checkpoint_names_the_formats(tmp_path):
    with pytest.raises(DataError, match="no checkpoint at") as caught:
        loading.read(tmp_path / "absent")
    assert all(row.title in caught.value.hint for row in formats.all_formats())


@pytest.mark.parametrize(
    "names", [("step-0000009", "step-0000010"), ("checkpoint-9", "checkpoint-10")]
)
def test_the_newest_checkpoint_of_a_run(tmp_path, small, names):
    for name in names:
        model = BertForPreTraining(small)
        save_pretrained(model, tmp_path / name)
    (tmp_path / "step-0000011.partial").mkdir()
    (tmp_path / "step-0000012").mkdir()
    assert formats.detect(tmp_path)[1] == tmp_path / names[1]
    same(loading.load_weights(tmp_path), model.state_dict())
    assert loading.load_config(tmp_path) == small


def test_without_a_configuration_the_heads_are_not_guessed(samples, tmp_path):
    for path in (samples / "keras_bert_tiny_tf1").glob("bert_model.ckpt.[di]*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(ConfigError, match="how many attention heads") as caught:
        loading.load_config(tmp_path)
    assert "bert_config.json" in caught.value.hint
    shutil.copy(samples / "keras_bert_tiny_tf1" / "bert_config.json", tmp_path)
    assert loading.load_config(tmp_path).num_attention_heads == 4


def test_a_vocabulary_padded_to_a_multiple_fits_the_model(tmp_path, small):
    model = BertForPreTraining(small)
    wider = BertForPreTraining(replace(small, vocab_size=216)).state_dict()
    save_file(dict(wider), tmp_path / "model.safetensors")
    cut = loading.load_weights(tmp_path, 211)
    assert torch.equal(cut[WORD_EMBEDDINGS], wider[WORD_EMBEDDINGS][:211])
    assert loading.load_into(model, cut).missing == []
    same(loading.load_weights(tmp_path, 216), wider)
    assert loading.load_weights(tmp_path, 300)[WORD_EMBEDDINGS].shape[0] == 216


def test_load_into_is_all_or_nothing(small):
    model = BertForPreTraining(small)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = dict(BertForPreTraining(small).state_dict())
    del weights["cls.predictions.bias"]
    weights["strange.weight"] = torch.ones(1)
    with pytest.raises(ConfigError, match=r"missing: cls\.predictions\.bias.*strange"):
        loading.load_into(model, weights)
    same(model.state_dict(), before)
    report = loading.load_into(model, weights, ("cls.",), ("strange.",))
    assert (report.missing, report.unexpected) == (["cls.predictions.bias"], ["strange.weight"])
    assert torch.equal(model.state_dict()[WORD_EMBEDDINGS], weights[WORD_EMBEDDINGS])
