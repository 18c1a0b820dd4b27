"""Vocabularies padded to a multiple and cut back, without a change of any loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.checkpoints.vocabulary_padding import (
    Rows,
    fitted,
    is_rounding,
    require_rows,
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
    assert fitted(weights, 240)[WORD_EMBEDDINGS].shape[0] == 240  # a multiple of 8 and of 5
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


def refusal(found: Rows, rows: int) -> str:
    with pytest.raises(ConfigError) as caught:
        require_rows(found, rows)
    return caught.value.message


@pytest.mark.parametrize(
    ("found", "rows"),
    [
        (Rows("x", have=30522), 30522),
        (Rows("x", have=30522), 30528),  # a multiple of 8 and of 64
        (Rows("x", have=30522), 30592),  # of 128
        (Rows("x", have=30522, tokens=30522), 30560),  # of 8 and of 5 parts
        (Rows("x", have=30528), 30522),
        (Rows("x", have=30592, tokens=30522), 30522),
        (Rows("x", have=30528, known=30522, tokens=30522), 30592),
        (Rows("x", have=128, known=70, tokens=70), 128),  # its own vocabulary: any number of rows
    ],
)
def test_models_of_rounded_size_are_taken(found, rows):
    require_rows(found, rows)


def test_new_words_are_refused_by_name():
    names = [f"w{n}" for n in range(30529)]
    text = refusal(Rows("ckpt", 30522, tokens=30524, names=names[:30524]), 30528)
    assert text == (
        "the vocabulary has 30,524 tokens, ckpt has weights for 30,522:"
        " 2 new (token 'w30522', 'w30523')"
    )
    text = refusal(Rows("ckpt", 30522, tokens=30528, names=names[:30528]), 30528)
    assert text.endswith(
        "6 new (token 'w30522', 'w30523', 'w30524', 'w30525', 'w30526' and 1 more)"
    )
    # Rows that were padding in the checkpoint are no weights of theirs; names need not be known.
    text = refusal(Rows("ckpt", 30528, known=30522, tokens=30523), 30528)
    assert "has weights for 30,522: 1 new (token number 30522)" in text


def test_other_sizes_are_refused():
    assert "model.vocab_size is 31,000" in refusal(Rows("x", have=30522, tokens=30522), 31000)
    assert "for 30,524 tokens" in refusal(Rows("x", 30528, known=30524, tokens=30524), 30522)
    assert "has 64 tokens" in refusal(Rows("x", have=30522, tokens=64), 30522)


def test_tokens_that_may_occur():
    assert Rows("x", have=30528).trained == 30528
    assert Rows("x", have=30522, tokens=0).trained == 30522
    assert Rows("x", have=30528, known=30522, tokens=30522).trained == 30522
    assert Rows("x", have=30528, tokens=30522).trained == 30522
