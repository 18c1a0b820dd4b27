"""TensorFlow 2 checkpoints: every weight, and slots."""

from __future__ import annotations

import pytest
import torch

from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.tensorflow import tf2
from bertkit.model.config import BertConfig
from model.checkpoints.common import same
from model.checkpoints.tensorflow import bundles


@pytest.mark.parametrize(("form", "absent"), [("encoder", "cls."), ("pretrainer", "cls.seq_")])
def test_the_forms_of_tensorflow_2_hold_the_weights_of_their_source(samples, form, absent):
    source = loading.read(samples / "keras_bert_tiny_tf1").weights
    contents = loading.read(samples / f"keras_bert_tiny_tf2_{form}")
    wanted = {name: value for name, value in source.items() if not name.startswith(absent)}
    same(contents.weights, wanted)
    assert contents.unknown == []
    assert contents.heads == 4
    given = BertConfig.from_file(samples / "keras_bert_tiny_tf1")
    assert loading.config_of(contents) == given


def test_object_paths_that_look_alike_are_not_taken():
    assert tf2.our_name("encoder/layer_with_weights-4/_attention_layer/kernel") == ""
    assert tf2.our_name("encoder/layer_with_weights-2/kernel") == ""
    assert tf2.our_name("model/layer_with_weights-2/dense/kernel") == ""
    assert tf2.our_name("other/layer_with_weights-0/embeddings") == ""


def test_slots_of_tensorflow_2(tmp_path):
    path = "encoder/layer_with_weights-4/_attention_layer/_output_dense/kernel"
    value = torch.arange(24.0).reshape(2, 3, 4)
    names = {f"{path}/.ATTRIBUTES/VARIABLE_VALUE": value}
    for slot in "mv":
        names[f"{path}/.OPTIMIZER_SLOT/optimizer/{slot}/.ATTRIBUTES/VARIABLE_VALUE"] = value + 1
    names["optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE"] = torch.tensor(3)
    extra = {b"_CHECKPOINTABLE_OBJECT_GRAPH": bundles.entry(7, (), 0, 0, b"")}
    bundles.write_bundle(tmp_path / "ckpt-1", names, extra=extra)
    target = "bert.encoder.layer.0.attention.output.dense.weight"
    contents = loading.read(tmp_path / "ckpt-1")
    assert contents.unknown == []
    assert [row.reason for row in contents.tensors].count("optimizer slot") == 2
    assert torch.equal(contents.weights[target], value.reshape(6, 4).t())
    moments = loading.read(tmp_path / "ckpt-1", moments=True).moments[target]
    assert torch.equal(moments["exp_avg_sq"], value.reshape(6, 4).t() + 1)
