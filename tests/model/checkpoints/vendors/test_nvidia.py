"""`ckpt_N.pt` of NVIDIA's and Habana's programs, read and written; pickles that would run code."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.model.checkpoints import convert, formats, loading
from bertkit.model.checkpoints.convert import ConvertOptions
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.vendors import nvidia
from bertkit.model.heads import BertForPreTraining
from model.checkpoints import nvidia_model
from model.checkpoints.common import Inputs, counted, same


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
    nvidia.write_file(tmp_path / "ckpt_7.pt", weights, moments, step=7)
    content = torch.load(tmp_path / "ckpt_7.pt", weights_only=True)
    assert "bert.encoder.layer.0.intermediate.dense_act.weight" in content["model"]
    assert "bert.encoder.layer.0.output.dense.weight" in content["model"]
    contents = loading.read(tmp_path / "ckpt_7.pt", moments=True)
    same(contents.weights, weights)
    for name, values in moments.items():
        same(contents.moments[name], values)


def test_their_model_and_optimizer_take_over_every_moment(tmp_path, small):
    """Converted from a folder, whose names are in the alphabet's order, not in the modules'."""
    small.vocab_size = 216
    ours = BertForPreTraining(small)
    save_pretrained(ours, tmp_path / "in")
    moments = {
        name: {"step": torch.tensor(5.0), "exp_avg": counted(name, value.shape)}
        | {"exp_avg_sq": counted(f"{name} 2", value.shape).square()}
        for name, value in ours.named_parameters()
    }
    torch.save({"optimizer": moments, "scaler": {}}, tmp_path / "in" / "optimizer.pt")
    options = ConvertOptions(to="nvidia", keep_optimizer=True)
    convert.convert(str(tmp_path / "in"), str(tmp_path / "out"), options)

    file = torch.load(tmp_path / "out" / "ckpt_0.pt", weights_only=True)
    theirs = nvidia_model.bert_for_pretraining(small)
    theirs.load_state_dict(file["model"], strict=True)
    optimizer = nvidia_model.TheirLamb(nvidia_model.parameter_groups(theirs))
    optimizer.load_state_dict(file["optimizer"])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    count = 0
    for name, value in theirs.named_parameters():
        own = name.replace("dense_act", "dense")
        assert torch.equal(value, ours.state_dict()[own])
        for kind in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(optimizer.state[value][kind], moments[own][kind]), name
        count += 1
        value.grad = torch.ones_like(value)
    assert count == len(moments) == 46
    optimizer.step()  # whatever a step reads of groups and state is there

    # What their program then saves is read back, every moment at its parameter.
    again = {**file, "model": theirs.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(again, tmp_path / "ckpt_6.pt")
    found = loading.read(tmp_path / "ckpt_6.pt", moments=True)
    for name, value in theirs.named_parameters():
        own = name.replace("dense_act", "dense")
        assert torch.equal(found.moments[own]["exp_avg"], optimizer.state[value]["exp_avg"])


def test_a_model_without_all_heads_keeps_their_numbers(tmp_path, small):
    """Their optimizer also has the heads that a masked LM lacks."""
    weights = {
        name: value
        for name, value in BertForPreTraining(small).state_dict().items()
        if not name.startswith(("cls.seq_relationship.", "bert.pooler."))
    }
    moments = {n: {"exp_avg": v + 1, "exp_avg_sq": v * v} for n, v in weights.items()}
    shuffled = dict(sorted(weights.items()))
    nvidia.write_file(tmp_path / "ckpt_7.pt", shuffled, moments, step=7, settings={"beta1": 0.8})
    file = torch.load(tmp_path / "ckpt_7.pt", weights_only=True)
    theirs = nvidia_model.bert_for_pretraining(small)
    assert not theirs.load_state_dict(file["model"], strict=False).unexpected_keys
    optimizer = nvidia_model.TheirLamb(nvidia_model.parameter_groups(theirs))
    optimizer.load_state_dict(file["optimizer"])
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.999)
    for name, value in theirs.named_parameters():
        own = name.replace("dense_act", "dense")
        assert (own in weights) == bool(optimizer.state[value])
        if own in weights:
            assert torch.equal(optimizer.state[value]["exp_avg"], moments[own]["exp_avg"])
    found = loading.read(tmp_path / "ckpt_7.pt", moments=True)
    for name, values in moments.items():
        same(found.moments[name], values)


def test_groups_of_another_program_are_refused(nvidia_file):
    path, _, _ = nvidia_file
    file = torch.load(path, weights_only=False)
    groups = file["optimizer"]["param_groups"]
    groups[0]["params"].append(groups[1]["params"].pop())
    torch.save(file, path)
    with pytest.raises(DataError, match=r"has groups of .* not those of NVIDIA's and Habana's"):
        loading.read(path, moments=True)
    for wrong in ([1, None], [{"params": 5}], "x"):
        file["optimizer"]["param_groups"] = wrong
        torch.save(file, path)
        with pytest.raises(DataError, match=r"not those of NVIDIA's and Habana's"):
            loading.read(path, moments=True)


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
