"""A model that is for something else is named."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.checkpoints.purpose import head_of, purpose_of
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering

SMALL = BertConfig(
    vocab_size=32,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)


def test_purposes():
    assert purpose_of(["bert.x", "qa_outputs.bias"]).words == "fine-tuned for question answering"
    assert purpose_of(["classifier.bias"]).words == "fine-tuned to label"
    assert purpose_of(["cls.predictions.bias"]).words == "for masked words, not fine-tuned"
    assert purpose_of(["bert.embeddings.x"]) is None
    assert head_of(["bert.pooler.x", "cls.predictions.bias"]) == "masked LM head"
    assert head_of(["x"]) == "x"


def test_a_model_for_something_else_is_named():
    answers, pretrained = BertForQuestionAnswering(SMALL), BertForPreTraining(SMALL)
    with pytest.raises(ConfigError, match="question answering: it has no masked LM head") as found:
        load_into(pretrained, answers.state_dict(), source="runs/squad")
    assert "bertkit predict" in found.value.hint
    with pytest.raises(ConfigError, match="for masked words, not fine-tuned: it has no span head"):
        load_into(answers, pretrained.state_dict(), source="runs/phase1")


def test_other_shapes_are_still_said():
    from dataclasses import replace

    larger = BertForQuestionAnswering(replace(SMALL, hidden_size=16))
    with pytest.raises(ConfigError, match="does not fit the model"):
        load_into(BertForQuestionAnswering(SMALL), larger.state_dict())
