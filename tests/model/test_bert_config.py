from __future__ import annotations

import json

import pytest

from bertkit.errors import ConfigError, DataError
from bertkit.model.config import BertConfig, label_names

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}


@pytest.mark.parametrize(
    ("config", "count"),
    [(BertConfig(), 110_106_428), (BertConfig(**LARGE, intermediate_size=4096), 336_226_108)],
)
def test_parameter_count_is_the_published_one(config, count):
    # transformers' BertForPreTraining(bert-base-uncased / bert-large-uncased).num_parameters()
    assert config.parameter_count() == count


def test_round_trip_through_a_file(tmp_path, small):
    small.to_file(tmp_path / "config.json")
    assert BertConfig.from_file(tmp_path) == small


def test_google_file_and_old_names(tmp_path):
    values = {"vocab_size": 99, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    values |= {"hidden_act": "gelu_python", "directionality": "bidi"}
    (tmp_path / "bert_config.json").write_text(json.dumps(values))
    config = BertConfig.from_file(tmp_path)
    assert (config.vocab_size, config.hidden_size, config.hidden_act) == (99, 8, "gelu")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"model_type": "roberta"}, "roberta"),
        ({"is_decoder": True}, "is_decoder"),
        ({"num_attention_heads": 7}, "not divisible"),
        ({"hidden_act": "swish"}, "swish"),
        ({"vocab_size": "many"}, "whole number"),
    ],
)
def test_refuses_what_is_not_plain_bert(change, text):
    values = BertConfig().to_dict() | change
    with pytest.raises(ConfigError, match=text):
        BertConfig.from_dict(values, "x.json")


def test_missing_sizes_and_wrong_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no hidden_size"):
        BertConfig.from_dict({"vocab_size": 3, "num_hidden_layers": 1}, "x.json")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ConfigError, match="expected an object"):
        BertConfig.from_file(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        BertConfig.from_file(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("size", "layers", "length", "masked", "giga"),
    [(768, 12, 128, 19, 69.9), (768, 12, 512, 76, 300.9), (1024, 24, 512, 76, 1019.8)],
)
def test_training_flops_are_those_of_the_published_formula(size, layers, length, masked, giga):
    """3 * (24 L H^2 S + 4 L H S^2 + masked (2 H^2 + 2 H V) + 2 H^2) of full sequences."""
    shape = BertConfig(
        vocab_size=30528,
        hidden_size=size,
        num_hidden_layers=layers,
        num_attention_heads=size // 64,
        intermediate_size=4 * size,
    )
    flops = shape.training_flops(length, length**2, masked, 1)
    assert flops / 1e9 == pytest.approx(giga, rel=0.01)


@pytest.mark.parametrize(
    "names", [{"0": "a", "2": "b"}, {"x": "a"}, ["a"], {}, 5, {"0": "a", "00": "b"}]
)
def test_labels_are_numbered_without_gaps(names):
    assert label_names({"id2label": {"1": "b", "0": "a"}}, "c") == ["a", "b"]
    assert label_names({}, "c") == label_names({"id2label": None}, "c") == []
    with pytest.raises(ConfigError, match=r"^c: id2label does not number the labels"):
        label_names({"id2label": names}, "c")
