from __future__ import annotations

import pytest
import torch

from bertkit.model.bert import without_new_weights
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

SHAPE = BertConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=12,
)


def test_models_to_be_loaded_are_zero_and_others_as_ever():
    torch.manual_seed(1)
    drawn = BertForPreTraining(SHAPE).state_dict()
    with without_new_weights():
        model = BertForPreTraining(SHAPE)
        with without_new_weights():
            pass
        again = BertForPreTraining(SHAPE)
    for weight in (*model.parameters(), *again.parameters()):
        assert not weight.any()
    with pytest.raises(KeyError), without_new_weights():
        raise KeyError
    torch.manual_seed(1)
    for name, weight in BertForPreTraining(SHAPE).state_dict().items():
        assert torch.equal(weight, drawn[name]), name
