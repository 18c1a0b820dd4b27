"""Scores of heads: float32, whatever the encoder computes in."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.classification import BertForSequenceClassification
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.scores import head_scores
from bertkit.model.sentence_head import BertForSentenceExtraction
from bertkit.model.token_classification import BertForTokenClassification

SHAPE = BertConfig(
    vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=96, max_position_embeddings=32,
)  # fmt: skip
LENGTHS = [32, 17, 9, 30, 24, 16, 8, 32]


def tokens():
    count = sum(LENGTHS)
    torch.manual_seed(3)
    positions = torch.cat([torch.arange(length) for length in LENGTHS])
    ids, segments = torch.randint(97, (count,)), torch.zeros(count, dtype=torch.long)
    first = torch.tensor([0, *LENGTHS[:-1]]).cumsum(0)
    return TokenBatch(ids, segments, positions, first, UnpaddedLayout(LENGTHS))


MODELS = {
    "pairs": (BertForPreTraining, lambda model, batch: model.logits(batch, batch.cls_rows)[1]),
    "spans": (BertForQuestionAnswering, lambda model, batch: torch.stack([*model(batch).values()])),
    "labels": (
        lambda shape: BertForSequenceClassification(shape, 3),
        lambda model, batch: model(batch)["outputs"],
    ),
    "score": (
        lambda shape: BertForSequenceClassification(shape, 1),
        lambda model, batch: model(batch)["outputs"],
    ),
    "tags": (
        lambda shape: BertForTokenClassification(shape, 5),
        lambda model, batch: model(batch)["outputs"],
    ),
    "sentences": (
        BertForSentenceExtraction,
        lambda model, batch: model(batch, batch.cls_rows)["outputs"],
    ),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("half", ["working copies", "autocast"])
def test_they_are_not_rounded_to_half_precision(kind, half):
    make, scores_of = MODELS[kind]
    torch.manual_seed(1)
    model, batch = make(SHAPE).eval(), tokens()
    with torch.no_grad():
        exact = scores_of(model, batch)
        context = (
            WorkingWeights(model).applied()
            if half == "working copies"
            else torch.autocast("cpu", torch.bfloat16)
        )
        with context:
            found = scores_of(model, batch)
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)  # the encoder computed in half precision
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0)
    rounded = found.bfloat16().float()
    assert (rounded != found).float().mean() > 0.8


def test_a_head_in_half_precision_is_used_as_it_is():
    """Engines with half types of their own make the whole model half."""
    head, rows = nn.Linear(8, 2).bfloat16(), torch.randn(3, 8)
    found = head_scores(head, rows)
    assert found.dtype == torch.float32
    assert torch.equal(found, head(rows.bfloat16()).float())


def test_devices_that_autocast_does_not_know_have_scores():
    head = nn.Linear(8, 2, device="meta")
    assert head_scores(head, torch.empty(3, 8, device="meta")).shape == (3, 2)


@pytest.mark.parametrize("half", [False, True])
def test_it_is_compiled_without_a_break(half):
    head, rows = nn.Linear(8, 2), torch.randn(3, 8)
    compiled = torch.compile(head_scores, fullgraph=True, backend="eager")
    context = torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()
    with context:
        found = compiled(head, rows)
    assert torch.equal(found, head(rows))


def test_gradients_reach_rows_of_half_precision():
    head = nn.Linear(8, 2)
    rows = torch.randn(3, 8).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        head_scores(head, rows).sum().backward()
    assert rows.grad is not None and rows.grad.dtype == torch.bfloat16
    assert head.weight.grad is not None and head.weight.grad.dtype == torch.float32
