"""Weights travel to transformers and back without a tensor lost."""

from __future__ import annotations

import json
import pickle
import signal

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import hf, loading
from bertkit.model.checkpoints.hf import load_weights, save_pretrained
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.workers.termination import Terminated, raised_on_termination
from model.checkpoints.common import same

BOTH = [BertForPreTraining, BertForQuestionAnswering]


@pytest.mark.parametrize("kind", BOTH)
def test_transformers_loads_our_folder(tmp_path, small, kind):
    ours = kind(small)
    save_pretrained(ours, tmp_path)
    theirs, info = getattr(transformers, kind.__name__).from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    values = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        assert torch.equal(values[name], value), name


@pytest.mark.parametrize("kind", BOTH)
def test_we_load_the_folder_of_transformers(tmp_path, small, kind):
    values = {k: v for k, v in small.to_dict().items() if k not in ("architectures", "torch_dtype")}
    theirs = getattr(transformers, kind.__name__)(transformers.BertConfig(**values))
    theirs.save_pretrained(tmp_path)
    ours = kind(BertConfig.from_file(tmp_path))
    report = load_into(ours, load_weights(tmp_path))
    assert not report.missing
    wanted = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        assert torch.equal(wanted[name], value), name


def test_old_names_pickled_file_and_parts(tmp_path, small):
    model = BertForPreTraining(small)
    old = {}
    for name, value in model.state_dict().items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old[name.replace("LayerNorm.bias", "LayerNorm.beta").removeprefix("bert.")] = value.clone()
    old["embeddings.position_ids"] = torch.arange(40)[None]
    old["cls.predictions.decoder.weight"] = old["embeddings.word_embeddings.weight"]
    torch.save(old, tmp_path / "pytorch_model.bin")
    weights = load_weights(tmp_path)
    assert weights.keys() == model.state_dict().keys()
    names = sorted(weights)
    parts = tmp_path / "parts"
    parts.mkdir()
    where = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(names)}
    for file in set(where.values()):
        save_file({n: weights[n].clone() for n in names if where[n] == file}, parts / file)
    (parts / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    again = load_weights(parts)
    assert all(torch.equal(again[name], weights[name]) for name in names)


def test_pretrained_encoder_into_a_span_model(tmp_path, small):
    save_pretrained(BertForPreTraining(small), tmp_path)
    model = BertForQuestionAnswering(small)
    report = load_into(
        model,
        load_weights(tmp_path),
        allow_missing=["qa_outputs."],
        allow_unexpected=["cls.", "bert.pooler."],
    )
    assert report.missing == ["qa_outputs.weight", "qa_outputs.bias"]
    assert len(report.unexpected) == 9


def test_what_does_not_fit_is_named_and_nothing_is_copied(tmp_path, small):
    save_pretrained(BertForPreTraining(small), tmp_path)
    weights = load_weights(tmp_path)
    bigger = BertForPreTraining(BertConfig(**{**small.__dict__, "vocab_size": 212}))
    before = bigger.bert.pooler.dense.weight.clone()
    with pytest.raises(ConfigError, match="its vocabulary has 211 rows of 48, the model's has 212"):
        load_into(bigger, weights)
    assert torch.equal(bigger.bert.pooler.dense.weight, before)
    del weights["bert.pooler.dense.bias"]
    weights["surplus"] = torch.zeros(1)
    with pytest.raises(ConfigError, match=r"missing: bert\.pooler.* no place: surplus"):
        load_into(BertForPreTraining(small), weights, source="x")


def test_an_untied_decoder_is_not_dropped_silently(tmp_path, small):
    model = BertForPreTraining(small)
    save_pretrained(model, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = torch.randn(211, 48)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match="decoder"):
        load_into(model, load_weights(tmp_path))


class Hostile:
    def __reduce__(self):
        return print, ("code ran",)


def test_damaged_hostile_and_absent_files(tmp_path, capsys):
    with pytest.raises(DataError, match="no such checkpoint"):
        load_weights(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no model\.safetensors"):
        load_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    with pytest.raises(DataError, match="not a complete safetensors file"):
        load_weights(tmp_path)
    evil = tmp_path / "pytorch_model.bin"
    evil.write_bytes(pickle.dumps({"x": Hostile()}, protocol=2))
    with pytest.raises(DataError, match="not a file of plain tensors"):
        load_weights(evil)
    assert "code ran" not in capsys.readouterr().out
    torch.save([1, 2], evil)
    with pytest.raises(DataError, match="no named tensors"):
        load_weights(evil)
    index = tmp_path / "parts" / "model.safetensors.index.json"
    index.parent.mkdir()
    for name in ("../model.safetensors", "a\0.safetensors", "\ud800.safetensors"):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(DataError, match="not a file of this folder"):
            load_weights(index.parent)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_of_compiled_and_parallel_models(tmp_path, small, prefix, name):
    weights = BertForPreTraining(small).state_dict()
    wrapped = {prefix + key: value for key, value in weights.items()}
    if name.endswith(".bin"):
        torch.save(wrapped, tmp_path / name)
    else:
        save_file(wrapped, tmp_path / name)
    small.to_file(tmp_path)
    same(load_weights(tmp_path), weights)
    same(loading.read(tmp_path).weights, weights)


def test_an_untied_decoder_is_refused_with_its_reason(tmp_path, small):
    values = {k: v for k, v in small.to_dict().items() if k != "torch_dtype"}
    config = transformers.BertConfig(**values, tie_word_embeddings=False)
    theirs = transformers.BertForPreTraining(config)
    theirs.save_pretrained(tmp_path / "told")
    reason = r"its decoder \(cls\.predictions\.decoder\.weight\) is a matrix of its own"
    with pytest.raises(ConfigError, match=f"tie_word_embeddings is False: {reason}"):
        BertConfig.from_file(tmp_path / "told")
    # Without that word in the configuration the tensors show it.
    small.to_file(tmp_path / "told")
    for read in (load_weights, loading.read):
        with pytest.raises(ConfigError, match=f"untied: {reason}") as caught:
            read(tmp_path / "told")
        assert "--allow-unexpected" not in caught.value.hint


def test_an_encoder_need_not_have_a_decoder_to_tie(small):
    values = {**small.to_dict("BertModel"), "tie_word_embeddings": False}
    assert BertConfig.from_dict(values, "x") == small


def test_one_tensor_under_two_wrappings_must_be_equal(tmp_path, small):
    weights = BertForPreTraining(small).state_dict()
    bias = "cls.predictions.bias"
    save_file({**weights, f"module.{bias}": weights[bias] + 1}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=rf"two tensors for {bias}; \S+ is the second"):
        load_weights(tmp_path)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_who_is_stopped_while_weights_are_read_is_not_told_of_damage(tmp_path, monkeypatch, name):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    item = torch.UntypedStorage.__getitem__

    def stopped(storage, which):
        if which == 0:
            signal.raise_signal(getattr(signal, name))
        return item(storage, which)

    # PyTorch calls it from C++, and makes an error of its own of whatever it raises.
    monkeypatch.setattr(torch.UntypedStorage, "__getitem__", stopped)
    with raised_on_termination(), pytest.raises((Terminated, KeyboardInterrupt)):
        hf._read_file(tmp_path / "model.safetensors")
