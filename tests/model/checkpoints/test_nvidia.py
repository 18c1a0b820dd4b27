"""`ckpt_N.pt` of NVIDIA's and Habana's programs, read and written; pickles that would run code."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.model.checkpoints import formats, loading, nvidia
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from model.checkpoints.common import Inputs, same


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
    contents = loading.read(path, moments=True)
    same(contents.weights, model.state_dict())
    assert contents.step == 8601
    assert [row.reason for row in contents.tensors if not row.target] == [
        "repeats the word embedding"
    ]
    named = dict(model.named_parameters())
    for name, moments in contents.moments.items():
        state = optimizer.state[named[name]]
        assert all(torch.equal(moments[key], state[key]) for key in ("exp_avg", "exp_avg_sq"))
    assert contents.moments.keys() == named.keys()
    assert loading.load_config(path) == small


def test_the_newest_of_a_folder(nvidia_file):
    path, model, _ = nvidia_file
    shutil.copy(path, path.with_name("ckpt_900.pt"))
    assert formats.detect(path.parent)[1] == path
    same(loading.load_weights(path.parent), model.state_dict())


def test_nvidia_written_and_read_again_is_the_same(tmp_path, small):
    weights = BertForPreTraining(small).state_dict()
    moments = {n: {"exp_avg": v + 1, "exp_avg_sq": v * v} for n, v in weights.items()}
    nvidia.write_file(tmp_path / "ckpt_7.pt", weights, moments, 7)
    content = torch.load(tmp_path / "ckpt_7.pt", weights_only=True)
    assert "bert.encoder.layer.0.intermediate.dense_act.weight" in content["model"]
    assert "bert.encoder.layer.0.output.dense.weight" in content["model"]
    contents = loading.read(tmp_path / "ckpt_7.pt", moments=True)
    same(contents.weights, weights)
    for name, values in moments.items():
        same(contents.moments[name], values)


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
            loading.read(tmp_path)
        else:
            loading.read(path)
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
        loading.read(tmp_path / "ckpt_1.pt", moments=True)


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
        loading.read(path)
    except DataError as error:
        assert str(path) in error.message
