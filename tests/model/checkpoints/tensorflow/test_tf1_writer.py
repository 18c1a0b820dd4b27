"""TensorFlow 1 checkpoints that are written are those that Google's programs write."""

from __future__ import annotations

import torch

from bertkit.model.checkpoints import formats, loading
from bertkit.model.checkpoints.tensorflow import tf1_writer
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from model.checkpoints.common import same
from model.checkpoints.tensorflow.writing import files_of, read_sample, to_write


def test_a_checkpoint_of_tensorflow_is_written_again_byte_by_byte(samples, tmp_path):
    """Weights, slots of Adam and the step: data and index as TensorFlow wrote them."""
    tf1_writer.write(tmp_path, read_sample(samples, "keras_bert_tiny_tf1", moments=True))
    theirs = files_of(samples / "keras_bert_tiny_tf1/bert_model.ckpt")
    assert files_of(tmp_path / "bert_model.ckpt") == theirs
    assert formats.detect(tmp_path)[1] == tmp_path / "bert_model.ckpt"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "checkpoint",
    ]


def test_names_are_those_of_googles_release(samples, tmp_path, small):
    """`index_only` holds the index of the published Chinese model."""
    weights = BertForPreTraining(small).state_dict()
    found = {tf1_writer.their_name(name)[0] for name in weights}
    published = Bundle(samples / "index_only/chinese_L-12_H-768_A-12.bert_model.ckpt").entries
    layers = tuple(f"layer_{number}/" for number in range(small.num_hidden_layers))
    of_small = {
        name for name in published if "layer_" not in name or any(n in name for n in layers)
    }
    assert found == of_small


def test_squad_heads_and_half_precision_come_back(tmp_path, small):
    model = BertForQuestionAnswering(small)
    half = {name: value.half() for name, value in model.state_dict().items()}
    assert tf1_writer.unheld(half) == []
    tf1_writer.write(tmp_path, to_write(half, small, step=7))
    bundle = Bundle(tmp_path / "bert_model.ckpt")
    assert bundle.shape("cls/squad/output_weights") == (2, small.hidden_size)
    assert "cls/squad/output_bias" in bundle
    back = loading.read(tmp_path)
    same(back.weights, {name: value.float() for name, value in half.items()})
    assert back.step == 7
    assert int(bundle.read("global_step")) == 7


def test_a_weight_without_a_name_there_is_told():
    value = torch.zeros(2, 2)
    assert tf1_writer.unheld({"bert.encoder.layer.0.extra.weight": value}) != []
    assert tf1_writer.unheld({"classifier.weight": value, "classifier.bias": value}) == []
