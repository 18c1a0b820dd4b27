from __future__ import annotations

import pytest
import torch

from bertkit.model.bert import without_new_weights
from bertkit.model.heads import BertForPreTraining


def test_models_to_be_loaded_are_zero_and_others_as_ever(small):
    torch.manual_seed(1)
    drawn = BertForPreTraining(small).state_dict()
    with without_new_weights():
        model = BertForPreTraining(small)
        with without_new_weights():
            pass
        again = BertForPreTraining(small)
    for weight in (*model.parameters(), *again.parameters()):
        assert not weight.any()
    with pytest.raises(KeyError), without_new_weights():
        raise KeyError
    torch.manual_seed(1)
    for name, weight in BertForPreTraining(small).state_dict().items():
        assert torch.equal(weight, drawn[name]), name
