"""Models that are not BERT are told by their configuration or tensors, and named."""

from __future__ import annotations

import pytest
import transformers

from bertkit.errors import ConfigError
from bertkit.model.config import BertConfig
from bertkit.model.model_types import (
    BERT,
    TITLES,
    may_have_decoder,
    require_bert,
    require_convertible,
    type_of_config,
    type_of_tensors,
)


@pytest.mark.parametrize("kind", sorted(TITLES))
def test_model_types_are_those_of_transformers_and_are_named(kind):
    if kind != "nomic_bert":  # its class came with version 5
        assert kind in transformers.CONFIG_MAPPING
    with pytest.raises(ConfigError) as caught:
        require_bert(type_of_config({"model_type": kind, "architectures": None}), "folder")
    assert (
        caught.value.message == f"folder: the model is {TITLES[kind]} (model_type {kind}), not BERT"
    )
    assert "model_type bert" in caught.value.hint


def test_types_without_a_title_and_classes_of_old_files():
    with pytest.raises(ConfigError, match="x: the model is of model_type 'mamba9', not BERT"):
        require_bert(type_of_config({"model_type": "mamba9"}), "x")
    named = {
        "RobertaForMaskedLM": "roberta",
        "XLMRobertaModel": "xlm-roberta",
        "DistilBertForQuestionAnswering": "distilbert",
        "AlbertModel": "albert",
        "TFElectraForPreTraining": "electra",
        "BertForMaskedLM": BERT,
        "TFBertModel": BERT,
        "BertLMHeadModel": BERT,
        "OurOwnTagger": BERT,
    }
    found = {name: type_of_config({"architectures": [name]}) for name in named}
    assert found == named
    assert type_of_config({"architectures": []}) == type_of_config({}) == BERT


@pytest.mark.parametrize(
    "kind",
    [
        *("roberta", "xlm-roberta", "albert", "electra", "distilbert", "modernbert", "deberta"),
        *("deberta-v2", "mpnet", "longformer", "convbert", "ernie", "rembert"),
    ],
)
def test_tensors_of_real_models_show_their_type(kind):
    sizes = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes |= {"cls_token_id": 1, "sep_token_id": 2}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    model = transformers.AutoModelForMaskedLM.from_config(config)
    names = list(model.state_dict())
    found = type_of_tensors(names)
    assert found == ("roberta" if kind == "xlm-roberta" else kind)
    assert type_of_tensors(f"module._orig_mod.{name}" for name in names) == found


def test_tensors_of_bert_are_bert():
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1
    )
    assert type_of_tensors(transformers.BertForPreTraining(config).state_dict()) == BERT
    assert type_of_tensors([]) == BERT


def test_classes_that_can_be_written_and_their_decoders():
    require_convertible("BertForMultipleChoice", "x")
    with pytest.raises(ConfigError, match="its class is BertLMHeadModel"):
        require_convertible("BertLMHeadModel", "x")
    assert may_have_decoder("") and may_have_decoder("BertForMaskedLM")
    assert not may_have_decoder("BertForQuestionAnswering")


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"num_hidden_groups": 1, "inner_group_num": 1, "embedding_size": 64}, "ALBERT"),
        ({"true_hidden_size": 128, "use_bottleneck_attention": False}, "MobileBERT"),
        ({"embedding_size": 64}, "embedding_size is 64"),
    ],
)
def test_files_of_google_that_name_no_type_show_it_by_their_keys(keys, named):
    """The bert_config.json of ALBERT, MobileBERT and ELECTRA: their keys had no effect."""
    shape = {
        "vocab_size": 30000,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    with pytest.raises(ConfigError, match=named):
        BertConfig.from_dict(shape | keys, "bert_config.json")
    assert BertConfig.from_dict(shape | {"embedding_size": 128}, "x").hidden_size == 128
