"""The table of parameter names, against the names of transformers' models and of ours."""

from __future__ import annotations

import pytest
import transformers

from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.parameter_names import (
    LAYER_MODULES,
    MLM_BIAS,
    MLM_DECODER,
    MLM_DECODER_BIAS,
    WORD_EMBEDDINGS,
    from_pytorch_name,
    has_weight_decay,
    in_module_order,
    in_optimizer_order,
    is_parameter,
    layer_number,
    pretraining_parameters,
    tied_parameter,
)


@pytest.mark.parametrize(
    "kind", ["BertForPreTraining", "BertForQuestionAnswering", "BertForSequenceClassification"]
)
def test_every_parameter_of_transformers_is_known(kind):
    shape = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
    )
    names = [name for name, _ in getattr(transformers, kind)(shape).named_parameters()]
    assert [name for name in names if not is_parameter(name)] == []
    in_layers = {name.split(".", 4)[4].rpartition(".")[0] for name in names if ".layer." in name}
    assert in_layers == set(LAYER_MODULES)


def test_all_our_own_names_are_known(small):
    for kind in (BertForPreTraining, BertForQuestionAnswering):
        assert all(map(is_parameter, kind(small).state_dict()))
    assert not is_parameter("bert.encoder.layer.0.attention.self.query.gamma")
    assert not is_parameter(MLM_DECODER)


def test_spellings_of_other_pytorch_programs():
    assert from_pytorch_name("module.embeddings.LayerNorm.gamma") == (
        "bert.embeddings.LayerNorm.weight"
    )
    assert from_pytorch_name("bert.encoder.layer.3.output.LayerNorm.beta") == (
        "bert.encoder.layer.3.output.LayerNorm.bias"
    )
    plain = "bert.encoder.layer.1.output.dense.bias"
    for spelling in (
        "_orig_mod.bert.encoder.layer.1.output.dense.bias",
        "module._orig_mod.bert.encoder.layer.1.output.dense.bias",
        "_orig_mod.module.encoder.layer.1.output.dense.bias",
        "module.module.bert.encoder.layer.1.output.dense.bias",
        "bert.encoder.layer.1._orig_mod.output.dense.bias",
    ):
        assert from_pytorch_name(spelling) == plain
    assert tied_parameter(MLM_DECODER) == WORD_EMBEDDINGS
    assert tied_parameter(MLM_DECODER_BIAS) == MLM_BIAS
    assert tied_parameter("qa_outputs.bias") == "qa_outputs.bias"


@pytest.mark.parametrize(
    "kind", ["BertForPreTraining", "BertForQuestionAnswering", "BertForTokenClassification"]
)
def test_module_order_is_that_of_transformers(kind):
    shape = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=11,  # the layers 2 and 10 are not in the alphabet's order
        num_attention_heads=2,
        intermediate_size=8,
    )
    names = [name for name, _ in getattr(transformers, kind)(shape).named_parameters()]
    assert in_module_order(sorted(names)) == names
    if kind == "BertForPreTraining":
        assert pretraining_parameters(11) == names


def test_layers_and_groups_of_the_optimizer():
    names = [
        "a.bias",
        "b.weight",
        "c.LayerNorm.weight",
        "bert.encoder.layer.11.output.dense.weight",
    ]
    assert [layer_number(name) for name in names] == [None, None, None, 11]
    assert [name for name in names if has_weight_decay(name)] == [names[1], names[3]]
    assert in_optimizer_order(names) == [names[1], names[3], names[0], names[2]]
