"""TensorFlow 1 checkpoints: every weight, slots, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.errors import DataError
from bertkit.model.attention import PaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.completeness import expected_shapes
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.checkpoints.tensorflow import tf1
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.records.files.tfrecord.reader import RecordFile
from model.checkpoints.tensorflow import bundles


def test_tensorflow_1_gives_every_weight_and_accounts_for_the_rest(samples):
    contents = loading.read(samples / "keras_bert_tiny_tf1")
    shapes = {name: tuple(value.shape) for name, value in contents.weights.items()}
    config = loading.config_of(contents)
    assert shapes == expected_shapes(config, "BertForPreTraining")
    assert len(contents.tensors) == 139
    left = [row.reason for row in contents.tensors if not row.target]
    assert sorted(set(left)) == ["counter", "optimizer slot"]
    assert left.count("optimizer slot") == 92
    assert contents.step == 20
    bundle = Bundle(samples / "keras_bert_tiny_tf1" / "bert_model.ckpt")
    kernel = bundle.read("bert/encoder/layer_1/intermediate/dense/kernel")
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(contents.weights[name], kernel.t())


def test_slots_on_request(samples):
    contents = loading.read(samples / "keras_bert_tiny_tf1", moments=True)
    assert contents.moments.keys() == contents.weights.keys()
    for name, moments in contents.moments.items():
        assert set(moments) == {"exp_avg", "exp_avg_sq"}
        assert all(value.shape == contents.weights[name].shape for value in moments.values())
        assert (moments["exp_avg_sq"] >= 0).all()


def test_every_name_of_googles_own_checkpoint_is_known(samples):
    folder = samples / "index_only"
    bundle = Bundle(folder / "chinese_L-12_H-768_A-12.bert_model.ckpt")
    config = BertConfig.from_file(folder / "chinese_L-12_H-768_A-12.bert_config.json")
    shapes = {}
    for name in bundle.entries:
        target, turned = tf1.our_name(name)
        shape = bundle.shape(name)
        shapes[target] = shape[::-1] if turned else shape
    assert shapes == expected_shapes(config, "BertForPreTraining")


def test_slots_accumulators_and_heads_of_other_programs(tmp_path):
    names = {
        "bert/pooler/dense/kernel": torch.arange(6.0).reshape(2, 3),
        "bert/pooler/dense/kernel/GradientAccumulator": torch.zeros(2, 3),
        "bert/pooler/dense/kernel/lamb_m": torch.ones(2, 3),
        "cls/squad/output_weights": torch.ones(2, 3),
        "global_step": torch.tensor(9),
        "strange/kernel": torch.ones(2),
        "strange/kernel/adam_m": torch.ones(2),
    }
    bundles.write_bundle(tmp_path / "model.ckpt-9", names)
    contents = loading.read(tmp_path / "model.ckpt-9.index")
    assert contents.weights.keys() == {"bert.pooler.dense.weight", "qa_outputs.weight"}
    assert contents.unknown == ["strange/kernel", "strange/kernel/adam_m"]
    assert contents.step == 9
    with pytest.raises(DataError, match="2 tensors have no place in BERT: strange/kernel"):
        loading.load_weights(tmp_path / "model.ckpt-9")


def test_other_tensorflow_checkpoints_are_refused(samples):
    for name in ("savedmodel_tf1", "savedmodel_tf2"):
        with pytest.raises(DataError, match="not a BERT checkpoint"):
            loading.load_weights(samples / name / "variables" / "variables")


def test_outputs_and_gradients_of_tensorflow(shared):
    """Google's own graph and ours, from the same checkpoint, on the same records."""
    place = shared / "goldens" / "numerics"
    config = BertConfig.from_file(place / "bert_config.json")
    config.hidden_act = "gelu_new"  # Google's program calls its tanh form "gelu"
    model = BertForPreTraining(config)
    report = load_into(model, loading.load_weights(place / "init", config.vocab_size))
    assert not report.missing
    golden = np.load(place / "forward_batch0.npz")
    records = RecordFile(str(shared / "goldens" / "records" / "google_sample_128.tfrecord"))
    batch = {
        name: torch.from_numpy(v).long() if v.dtype != np.float32 else torch.from_numpy(v)
        for name, v in records.batch(np.arange(8)).items()
    }
    mask = batch["input_mask"].bool()
    count, length = mask.shape
    tokens = TokenBatch(
        batch["input_ids"].view(-1),
        batch["segment_ids"].view(-1),
        torch.arange(length).repeat(count),
        torch.arange(count) * length,
        PaddedLayout(count, length, mask),
    )
    hidden = model.bert(tokens).view(count, length, -1)
    close = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(hidden[mask], torch.from_numpy(golden["seq"])[mask], **close)
    pooled = model.bert.pooler(hidden[:, 0])
    torch.testing.assert_close(pooled, torch.from_numpy(golden["pooled"]), **close)
    weights = batch["masked_lm_weights"].view(-1)
    rows = (batch["masked_lm_positions"] + torch.arange(count)[:, None] * length).view(-1)
    labels = torch.where(weights > 0, batch["masked_lm_ids"].view(-1), -100)
    sums = model.losses(tokens, rows, labels, batch["next_sentence_labels"].view(-1))
    mlm = sums["mlm_loss_sum"] / (weights.sum() + 1e-5)
    nsp = sums["nsp_loss_sum"] / count
    assert float(mlm.detach()) == pytest.approx(float(golden["mlm_loss"]), rel=1e-5)
    assert float(nsp.detach()) == pytest.approx(float(golden["nsp_loss"]), rel=1e-5)
    (mlm + nsp).backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    compared = 0
    for key, value in np.load(place / "grads_batch0.npz").items():
        name, turned = tf1.our_name(key.replace("|", "/"))
        wanted = torch.from_numpy(value.T if turned else value)
        error = (gradients[name] - wanted).norm()
        assert error <= 1e-4 * wanted.norm() + 1e-6, name
        compared += 1
    assert compared == len(gradients) - 1 == 45  # all but the word embedding
