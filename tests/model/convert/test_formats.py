"""Every form of checkpoint gives the same weights under the same names, or one clear refusal."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bertkit.errors import ConfigError, DataError, MissingDependencyError
from bertkit.model.attention import PaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.config import BertConfig
from bertkit.model.convert import cerebras, formats, lz4, nvidia, tf1, tf2
from bertkit.model.convert.audit import architecture_of, expected_shapes
from bertkit.model.convert.bundle import Bundle
from bertkit.model.convert.hf import load_into, save_pretrained
from bertkit.model.convert.reading import WORDS, is_known
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.records.reader import RecordFile
from model.convert import bundles

SAMPLE = Path(__file__).with_name("samples") / "checkpoint_60.mdl.xz"


@pytest.fixture
def samples(shared):
    return shared / "data" / "checkpoints"


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name]), name


# --- TensorFlow


def test_tensorflow_1_gives_every_weight_and_accounts_for_the_rest(samples):
    reading = formats.read(samples / "keras_bert_tiny_tf1")
    shapes = {name: tuple(value.shape) for name, value in reading.weights.items()}
    config = formats.config_of(reading)
    assert shapes == expected_shapes(config, "BertForPreTraining")
    assert len(reading.rows) == 139
    left = [row.reason for row in reading.rows if not row.target]
    assert sorted(set(left)) == ["counter", "optimizer slot"]
    assert left.count("optimizer slot") == 92
    assert reading.step == 20
    bundle = Bundle(samples / "keras_bert_tiny_tf1" / "bert_model.ckpt")
    kernel = bundle.read("bert/encoder/layer_1/intermediate/dense/kernel")
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(reading.weights[name], kernel.t())


def test_slots_on_request(samples):
    reading = formats.read(samples / "keras_bert_tiny_tf1", moments=True)
    assert reading.moments.keys() == reading.weights.keys()
    for name, moments in reading.moments.items():
        assert set(moments) == {"exp_avg", "exp_avg_sq"}
        assert all(value.shape == reading.weights[name].shape for value in moments.values())
        assert (moments["exp_avg_sq"] >= 0).all()


@pytest.mark.parametrize(("form", "absent"), [("encoder", "cls."), ("pretrainer", "cls.seq_")])
def test_the_forms_of_tensorflow_2_hold_the_weights_of_their_source(samples, form, absent):
    source = formats.read(samples / "keras_bert_tiny_tf1").weights
    reading = formats.read(samples / f"keras_bert_tiny_tf2_{form}")
    wanted = {name: value for name, value in source.items() if not name.startswith(absent)}
    same(reading.weights, wanted)
    assert reading.unknown == []
    assert reading.heads == 4
    given = BertConfig.from_file(samples / "keras_bert_tiny_tf1")
    assert formats.config_of(reading) == given


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
    reading = formats.read(tmp_path / "model.ckpt-9.index")
    assert reading.weights.keys() == {"bert.pooler.dense.weight", "qa_outputs.weight"}
    assert reading.unknown == ["strange/kernel", "strange/kernel/adam_m"]
    assert reading.step == 9
    with pytest.raises(DataError, match="2 tensors have no place in BERT: strange/kernel"):
        formats.load_weights(tmp_path / "model.ckpt-9")


def test_other_tensorflow_checkpoints_are_refused(samples):
    for name in ("savedmodel_tf1", "savedmodel_tf2"):
        with pytest.raises(DataError, match="not a BERT checkpoint"):
            formats.load_weights(samples / name / "variables" / "variables")


def test_object_paths_that_look_alike_are_not_taken():
    assert tf2.our_name("encoder/layer_with_weights-4/_attention_layer/kernel") == ""
    assert tf2.our_name("encoder/layer_with_weights-2/kernel") == ""
    assert tf2.our_name("model/layer_with_weights-2/dense/kernel") == ""
    assert tf2.our_name("other/layer_with_weights-0/embeddings") == ""


def test_outputs_and_gradients_of_tensorflow(shared):
    """Google's own graph and ours, from the same checkpoint, on the same records."""
    place = shared / "goldens" / "numerics"
    config = BertConfig.from_file(place / "bert_config.json")
    config.hidden_act = "gelu_new"  # Google's program calls its tanh form "gelu"
    model = BertForPreTraining(config)
    report = load_into(model, formats.load_weights(place / "init", config.vocab_size))
    assert not report.missing
    golden = np.load(place / "forward_batch0.npz")
    records = RecordFile(str(shared / "goldens" / "records" / "google_sample_128.tfrecord"))
    batch = {name: torch.from_numpy(v).long() if v.dtype != np.float32 else torch.from_numpy(v)
             for name, v in records.batch(np.arange(8)).items()}  # fmt: skip
    mask = batch["input_mask"].bool()
    count, length = mask.shape
    tokens = TokenBatch(
        batch["input_ids"].view(-1), batch["segment_ids"].view(-1),
        torch.arange(length).repeat(count), torch.arange(count) * length,
        PaddedLayout(count, length, mask),
    )  # fmt: skip
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
    reading = formats.read(tmp_path / "ckpt-1")
    assert reading.unknown == []
    assert [row.reason for row in reading.rows].count("optimizer slot") == 2
    assert torch.equal(reading.weights[target], value.reshape(6, 4).t())
    moments = formats.read(tmp_path / "ckpt-1", moments=True).moments[target]
    assert torch.equal(moments["exp_avg_sq"], value.reshape(6, 4).t() + 1)


# --- NVIDIA and Habana


class Inputs(torch.utils.data.Dataset):
    """What their programs keep in `data_loader`."""

    def __init__(self):
        self.inputs = [np.arange(6).reshape(2, 3)]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.inputs[0][index]


def nvidia_like(model: BertForPreTraining) -> dict:
    """A checkpoint as NVIDIA's program saves it: names, groups, loader."""
    activated = ("intermediate.dense.", "bert.pooler.dense.", "transform.dense.")
    named = {}
    for name, value in model.state_dict().items():
        if any(part in name for part in activated):
            name = name.replace(".dense.", ".dense_act.")
        named[name] = value.clone()
    named["cls.predictions.decoder.weight"] = named["bert.embeddings.word_embeddings.weight"]
    return named


@pytest.fixture
def nvidia_file(tmp_path, small):
    model = BertForPreTraining(small)
    named = dict(model.named_parameters())
    plain = [n for n in named if any(part in n for part in ("bias", "LayerNorm"))]
    groups = [
        {"params": [p for n, p in named.items() if n not in plain], "weight_decay": 0.01},
        {"params": [named[n] for n in plain], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    for value in named.values():
        value.grad = torch.randn_like(value)
    optimizer.step()
    content = {
        "model": nvidia_like(model),
        "optimizer": optimizer.state_dict(),
        "files": [3, "part-3.hdf5"],
        "epoch": 1,
        "data_loader": torch.utils.data.DataLoader(Inputs(), batch_size=2),
    }
    path = tmp_path / "ckpt_8601.pt"
    torch.save(content, path)
    small.to_file(tmp_path / "bert_config.json")
    return path, model, optimizer


def test_nvidia_with_its_data_loader_and_moments(nvidia_file, small):
    path, model, optimizer = nvidia_file
    reading = formats.read(path, moments=True)
    same(reading.weights, model.state_dict())
    assert reading.step == 8601
    assert [row.reason for row in reading.rows if not row.target] == ["repeats the word embedding"]
    named = dict(model.named_parameters())
    for name, moments in reading.moments.items():
        state = optimizer.state[named[name]]
        assert all(torch.equal(moments[key], state[key]) for key in ("exp_avg", "exp_avg_sq"))
    assert reading.moments.keys() == named.keys()
    assert formats.load_config(path) == small


def test_the_newest_of_a_folder(nvidia_file):
    path, model, _ = nvidia_file
    shutil.copy(path, path.with_name("ckpt_900.pt"))
    assert formats.detect(path.parent)[1] == path
    same(formats.load_weights(path.parent), model.state_dict())


def test_nvidia_written_and_read_again_is_the_same(tmp_path, small):
    weights = BertForPreTraining(small).state_dict()
    moments = {n: {"exp_avg": v + 1, "exp_avg_sq": v * v} for n, v in weights.items()}
    nvidia.write(tmp_path / "ckpt_7.pt", weights, moments, 7)
    content = torch.load(tmp_path / "ckpt_7.pt", weights_only=True)
    assert "bert.encoder.layer.0.intermediate.dense_act.weight" in content["model"]
    assert "bert.encoder.layer.0.output.dense.weight" in content["model"]
    reading = formats.read(tmp_path / "ckpt_7.pt", moments=True)
    same(reading.weights, weights)
    for name, values in moments.items():
        same(reading.moments[name], values)


class Hostile:
    def __reduce__(self):
        return os.system, ("echo ran > " + os.environ["HOSTILE_MARK"],)


class Sly:
    def __reduce__(self):
        return exec, (f"open({os.environ['HOSTILE_MARK']!r}, 'w').write('ran')",)


@pytest.mark.parametrize("kind", [Hostile, Sly])
@pytest.mark.parametrize("where", ["model", "data_loader", "state"])
def test_a_hostile_pickle_does_not_run(tmp_path, small, monkeypatch, kind, where):
    monkeypatch.setenv("HOSTILE_MARK", str(tmp_path / "mark"))
    content = {"model": nvidia_like(BertForPreTraining(small))}
    if where == "model":
        content["model"]["bert.pooler.evil"] = kind()
    content["data_loader"] = kind()
    path = tmp_path / "ckpt_1.pt"
    torch.save(content, path)
    try:
        if where == "state":
            save_pretrained(BertForPreTraining(small), tmp_path)
            path.rename(tmp_path / "training_state.pt")
            formats.read(tmp_path)
        else:
            formats.read(path)
    except DataError as error:
        assert "plain tensors" in error.message or "is not a tensor" in error.message
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "no `model` dictionary"),
        ({"model": {}}, "no `model` dictionary"),
        ({"model": {"bert.pooler.dense.bias": 3}}, "is not a tensor"),
        ({"model": {"bert.pooler.dense.bias": torch.ones(3)}}, "holds no optimizer state"),
    ],
)
def test_other_pt_files_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "ckpt_1.pt")
    with pytest.raises(DataError, match=message):
        formats.read(tmp_path / "ckpt_1.pt", moments=True)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_pt_files_give_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "ckpt_1.pt"
    torch.save({"model": {"bert.pooler.dense.bias": torch.ones(3)}}, path)
    blob = bytearray(path.read_bytes())
    del blob[data.draw(st.integers(0, len(blob))) :]
    for _ in range(data.draw(st.integers(0, 4)) if blob else 0):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(blob)
    try:
        formats.read(path)
    except DataError as error:
        assert str(path) in error.message


# --- Cerebras and Graphcore


def cerebras_value(name: str, shape) -> torch.Tensor:
    """The numbers that the sample was made with."""
    count, base = int(np.prod(shape)), sum(name.encode())
    return (((torch.arange(count) * 37 + base) % 101) / 101 - 0.5).reshape(shape)


@pytest.fixture
def mdl(tmp_path):
    """Written by the vendor's own cerebras_pytorch 2.10 on its CPU backend."""
    path = tmp_path / "checkpoint_60.mdl"
    path.write_bytes(lzma.decompress(SAMPLE.read_bytes()))
    return path


def test_a_file_of_the_vendors_own_program(mdl):
    reading = formats.read(mdl.parent)
    assert reading.step == 60
    assert reading.unknown == []
    reading.heads = 2
    config = formats.config_of(reading)
    shapes = {name: tuple(value.shape) for name, value in reading.weights.items()}
    assert shapes == expected_shapes(config, "BertForPreTraining")
    for row in reading.rows:
        if row.target:
            wanted = cerebras_value(row.name.removeprefix("model."), row.shape)
            if row.target == "bert.embeddings.LayerNorm.bias":
                wanted = wanted.bfloat16()
            assert torch.equal(reading.weights[row.target], wanted), row.name
    with pytest.raises(DataError, match="belongs to no weight here"):
        formats.read(mdl, moments=True)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_mdl_files_give_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.mdl"
    blob = bytearray(lzma.decompress(SAMPLE.read_bytes()))
    del blob[data.draw(st.sampled_from([len(blob), len(blob) // 2, 100, 5])) :]
    for _ in range(data.draw(st.integers(0, 60))):
        blob[data.draw(st.integers(8, len(blob) - 1)) if len(blob) > 9 else 0] ^= 0x41
    path.write_bytes(blob)
    try:
        formats.read(path)
    except DataError as error:
        assert error.message


def test_tensors_outside_the_file_are_not_followed(tmp_path):
    np.save(tmp_path / "secret", np.ones(3))
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        file["model.a"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/a")
    with pytest.raises(DataError, match=r"model\.a is not a tensor of this file"):
        formats.read(tmp_path / "x.mdl")
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        outside = [(str(tmp_path / "secret.npy"), 0, 24)]
        file.create_dataset("model.a", (3,), "f8", external=outside)
    with pytest.raises(DataError, match="not a tensor of this file"):
        formats.read(tmp_path / "x.mdl")


def test_a_data_set_larger_than_its_file_takes_no_memory(tmp_path):
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        file.create_dataset("model.a", (1 << 40,), "f4", chunks=(1 << 20,))
    with pytest.raises(DataError, match="more than the file can hold"):
        formats.read(tmp_path / "x.mdl")


def test_without_h5py_the_package_is_named(mdl, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match="need the package h5py"):
        cerebras.read(mdl)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5000))
def test_lz4_refuses_or_answers_with_the_size_asked_for(data, size):
    with contextlib.suppress(DataError):
        assert len(lz4.decompress(data, size)) == size
    with contextlib.suppress(DataError):
        assert len(lz4.decompress_chunk(data, size)) == size


def test_lz4_by_hand():
    assert lz4.decompress(b"\x10a\x01\x00\x10b", 6) == b"aaaaab"
    assert lz4.decompress(b"\xf0\x00" + b"x" * 15, 15) == b"x" * 15
    assert lz4.decompress(b"\x1fa\x01\x00\x00\x00", 20) == b"a" * 20


def test_graphcore_step_folders(tmp_path, small):
    model = BertForQuestionAnswering(small)
    for step in (9, 10):
        place = tmp_path / f"step_{step}"
        save_pretrained(model, place)
        state = {"step": step, "optimizer_state_dict": {}, "metrics": {}, "config": Inputs()}
        torch.save(state, place / "training_state.pt")
    reading = formats.read(tmp_path)
    assert (reading.form, reading.step) == ("graphcore", 10)
    same(reading.weights, model.state_dict())
    assert formats.load_config(tmp_path) == small


# --- Any form


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
