"""Vocabularies padded to a multiple and cut back, without a change of any loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.checkpoints.vocabulary_padding import (
    fitted,
    is_rounding,
    require_safe_cut,
    resize,
    rounded,
)
from bertkit.model.heads import BertForPreTraining
from bertkit.model.parameter_names import MLM_BIAS, WORD_EMBEDDINGS
from model.checkpoints.common import same


def test_rounding():
    assert (rounded(30522, 8), rounded(30528, 8), rounded(30522, 64)) == (30528, 30528, 30528)
    assert is_rounding(30528, 30522) and is_rounding(30522, 30522)
    assert not is_rounding(30523, 30522)


def test_padding_and_cutting_give_the_same_tensors_back(small):
    weights = BertForPreTraining(small).state_dict()
    padded = fitted(weights, 216)
    assert padded[WORD_EMBEDDINGS].shape[0] == padded[MLM_BIAS].shape[0] == 216
    same(resize(padded, 211), weights)
    same(fitted(padded, 211), weights)
    same(fitted(weights, 300), weights)  # no rounding: left for loading to refuse


def test_new_rows_change_no_loss(small, sentences):
    model, wider = BertForPreTraining(small), BertForPreTraining(replace(small, vocab_size=256))
    load_into(wider, fitted(model.state_dict(), 256))
    with torch.no_grad():
        one, other = (
            each.losses(sentences.unpadded(), sentences.unpadded_rows, sentences.labels)
            for each in (model, wider)
        )
    torch.testing.assert_close(one["mlm_loss_sum"], other["mlm_loss_sum"])


def test_rows_of_tokens_are_not_cut_off(small):
    weights = BertForPreTraining(small).state_dict()
    require_safe_cut(weights, rows=208, tokens=205)
    for tokens in (210, 0):
        with pytest.raises(ConfigError, match="211 rows of the word embedding cannot be cut to 20"):
            require_safe_cut(weights, rows=200, tokens=tokens)
