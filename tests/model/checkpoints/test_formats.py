"""Checkpoints of any form: how they are found, and that all of them fit."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import save_file

from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.audit import architecture_of
from bertkit.model.checkpoints.contents import WORDS, is_known
from bertkit.model.checkpoints.hf import load_into, save_pretrained
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from model.checkpoints.common import same
from model.checkpoints.tensorflow import bundles


def test_finding_by_prefix_file_and_folder(samples, tmp_path):
    place = samples / "keras_bert_tiny_tf1"
    names = ["", "bert_model.ckpt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"]
    for name in names:
        form, found = formats.detect(place / name)
        assert (form.name, found) == ("tf", place / "bert_model.ckpt")
    assert formats.vocab_beside(place / "bert_model.ckpt") == place / "vocab.txt"
    assert formats.detect(tmp_path) is None
    with pytest.raises(DataError, match="no checkpoint at") as caught:
        formats.read(tmp_path / "absent")
    assert "TensorFlow" in caught.value.hint
    for step in (1, 2):
        bundles.write_bundle(tmp_path / f"model.ckpt-{step}", {"global_step": torch.tensor(step)})
    with pytest.raises(DataError, match="holds 2 TensorFlow checkpoints") as caught:
        formats.detect(tmp_path)
    assert "model.ckpt-2" in caught.value.hint
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/their/disk/model.ckpt-1"\n')
    assert formats.detect(tmp_path)[1] == tmp_path / "model.ckpt-1"


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
    same(formats.load_weights(tmp_path), model.state_dict())
    assert formats.load_config(tmp_path) == small


def test_without_a_configuration_the_heads_are_not_guessed(samples, tmp_path, caplog):
    for path in (samples / "keras_bert_tiny_tf1").glob("bert_model.ckpt.[di]*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(ConfigError, match="how many attention heads") as caught:
        formats.load_config(tmp_path)
    assert "bert_config.json" in caught.value.hint
    shutil.copy(samples / "keras_bert_tiny_tf1" / "bert_config.json", tmp_path)
    assert formats.load_config(tmp_path).num_attention_heads == 4


def test_padded_vocabularies_fit_both_ways(tmp_path, small):
    model = BertForPreTraining(small)
    padded = formats.fitted(model.state_dict(), 216)
    assert padded[WORDS].shape[0] == padded["cls.predictions.bias"].shape[0] == 216
    save_file(padded, tmp_path / "model.safetensors")
    same(formats.load_weights(tmp_path, 211), model.state_dict())
    same(formats.load_weights(tmp_path, 216), padded)
    assert formats.load_weights(tmp_path, 300)[WORDS].shape[0] == 216


def test_new_rows_change_no_loss(small, sentences):
    from dataclasses import replace

    model, wider = BertForPreTraining(small), BertForPreTraining(replace(small, vocab_size=256))
    load_into(wider, formats.fitted(model.state_dict(), 256))
    with torch.no_grad():
        one, other = (
            each.losses(sentences.unpadded(), sentences.unpadded_rows, sentences.labels)
            for each in (model, wider)
        )
    torch.testing.assert_close(one["mlm_loss_sum"], other["mlm_loss_sum"])


def test_all_our_own_names_are_known(small):
    for kind in (BertForPreTraining, BertForQuestionAnswering):
        names = kind(small).state_dict()
        assert all(map(is_known, names))
        assert architecture_of(names) == kind.__name__
    assert not is_known("bert.encoder.layer.0.attention.self.query.gamma")
