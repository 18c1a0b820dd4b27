"""The class that config.json names: kept with its labels, or refused by its name."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bertkit.errors import ConfigError
from bertkit.model.checkpoints import convert
from bertkit.model.checkpoints.convert import ConvertOptions
from bertkit.model.checkpoints.model_class import model_class
from bertkit.model.model_types import PARTS, SENTENCES

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
}
MORE = {
    "BertForSequenceClassification": {
        "id2label": {0: "a", 1: "b", 2: "c"},
        "label2id": {"a": 0, "b": 1, "c": 2},
        "problem_type": "multi_label_classification",
        "classifier_dropout": 0.25,
    },
    "BertForTokenClassification": {"num_labels": 7, "task_specific_params": {"ner": {"top": 3}}},
}
# transformers has no class for the sentences of a summary.
HEADS = ["BertForPreTraining", "BertForMaskedLM", *(set(PARTS) - {"BertModel", SENTENCES})]


def outputs(model) -> list[torch.Tensor]:
    ids = torch.tensor([[2, 9, 11, 3, 7, 3], [2, 5, 3, 8, 12, 3]])
    if isinstance(model, transformers.BertForMultipleChoice):
        ids = ids[None]
    with torch.no_grad():
        found = model.eval()(input_ids=ids)
    return [value for value in found.values() if isinstance(value, torch.Tensor)]


@pytest.fixture
def saved(tmp_path):
    """Save a model of transformers with random weights; (the model, its folder)."""

    def make(kind: str, **more):
        torch.manual_seed(3)
        config = transformers.BertConfig(**{**SIZES, **MORE.get(kind, {}), **more})
        model = getattr(transformers, kind)(config)
        for value in model.parameters():
            value.data.normal_(0, 0.3)
        model.save_pretrained(tmp_path / "in")
        return model, tmp_path / "in"

    return make


@pytest.mark.parametrize("kind", sorted(set(HEADS)))
def test_every_class_stays_what_it_is(saved, tmp_path, kind):
    model, place = saved(kind)
    result = convert.convert(str(place), str(tmp_path / "out"), ConvertOptions())
    assert result.architecture == kind
    theirs = json.loads((place / "config.json").read_text())
    ours = json.loads((tmp_path / "out" / "config.json").read_text())
    unlike = {key for key in theirs if ours.get(key) != theirs[key]} - {"dtype"}
    assert unlike == set(), "keys of transformers are lost or changed"
    again, info = getattr(transformers, kind).from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    weights = again.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    for before, after in zip(outputs(model), outputs(again), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooler", [True, False])
def test_an_encoder_with_and_without_a_pooler(tmp_path, pooler):
    model = transformers.BertModel(transformers.BertConfig(**SIZES), add_pooling_layer=pooler)
    model.save_pretrained(tmp_path / "in")
    convert.convert(str(tmp_path / "in"), str(tmp_path / "out"), ConvertOptions())
    names = load_file(tmp_path / "out" / "model.safetensors")
    assert any("pooler" in name for name in names) is pooler
    again = transformers.BertModel.from_pretrained(tmp_path / "out", add_pooling_layer=pooler)
    for before, after in zip(outputs(model), outputs(again), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


def test_the_reported_classifier_keeps_its_five_labels(tmp_path, shared):
    source = shared / "data" / "reports" / "seqclass5"
    convert.convert(str(source), str(tmp_path / "out"), ConvertOptions())
    one, other = (
        transformers.AutoModelForSequenceClassification.from_pretrained(place)
        for place in (source, tmp_path / "out")
    )
    assert one.config.id2label == other.config.id2label == {i: f"topic{i}" for i in range(5)}
    torch.testing.assert_close(outputs(one)[0], outputs(other)[0], rtol=0, atol=1e-6)


def test_published_files_hold_more_than_the_class_they_name(saved, tmp_path):
    """bert-base-uncased: config.json says BertForMaskedLM, the file has both heads."""
    model, place = saved("BertForPreTraining")
    values = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**values, "architectures": ["BertForMaskedLM"]}))
    result = convert.convert(str(place), str(tmp_path / "out"), ConvertOptions())
    assert result.architecture == "BertForMaskedLM"
    assert "cls.seq_relationship.weight" in load_file(tmp_path / "out" / "model.safetensors")
    again = transformers.BertForPreTraining.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(outputs(model)[1], outputs(again)[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", ["BertLMHeadModel", "BertForVisualQuestions"])
def test_other_classes_are_refused_by_name(saved, tmp_path, name, check):
    _, place = saved("BertForPreTraining")
    values = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**values, "architectures": [name]}))
    with pytest.raises(ConfigError, match=f"its class is {name}; bertkit converts BertForPreTr"):
        if check:
            convert.check(str(place), ConvertOptions())
        else:
            convert.convert(str(place), str(tmp_path / "out"), ConvertOptions())


def test_without_names_the_tensors_decide():
    def labels(values, rows):
        weights = {"classifier.bias": torch.zeros(rows)}
        found = model_class(values, weights, "BertForTokenClassification", "x")
        return found.name, found.labels, found.other_keys.get("id2label", {}).get("4")

    assert labels({}, 5) == ("BertForTokenClassification", 5, "LABEL_4")
    assert labels({"num_labels": 5}, 3) == ("BertForTokenClassification", 5, None)
    assert labels({"architectures": ["BertForSequenceClassification"]}, 2)[1:] == (2, None)


def test_a_classifier_of_another_size_than_its_labels_is_refused(saved, tmp_path):
    _, place = saved("BertForSequenceClassification")
    tensors = load_file(place / "model.safetensors")
    tensors["classifier.bias"] = torch.zeros(4)
    save_file(tensors, place / "model.safetensors")
    with pytest.raises(ConfigError, match=r"classifier\.bias is \[4\], the configuration says"):
        convert.convert(str(place), str(tmp_path / "out"), ConvertOptions())


def test_the_type_of_the_numbers_is_told(saved, tmp_path):
    model, place = saved("BertForMaskedLM")
    model.to(torch.bfloat16).save_pretrained(place)
    convert.convert(str(place), str(tmp_path / "out"), ConvertOptions())
    again = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert again.dtype == torch.bfloat16
