"""The loss of start and end, and the scores where no answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.data.sample_feed import SampleFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, squad


@pytest.fixture
def windows(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS, PEOPLE)), training=True)
    return WindowMaker(tokenizer, 40, 8, 8).windows(questions, training=True)


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer.vocab), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=40,
        initializer_range=0.3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForQuestionAnswering(config)


def on_torch(batch):
    return {name: torch.from_numpy(value) for name, value in batch.arrays.items()}


def test_padded_and_unpadded_give_the_same_loss_and_gradients(windows, tokenizer, model):
    found = []
    for length in (0, 40):
        batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id, length)
        order = SampleOrder(len(windows), 1)
        feed = SampleFeed(windows, order, batcher.batch, 5, 5, weights="span_weights")
        (step,) = feed.steps(0, 1)
        (batch,) = step.micro_batches
        model.zero_grad()
        loss, sums = SpanObjective().losses(model, on_torch(batch), batch)
        loss.backward()
        assert sums["span_count"] == 5
        found.append((loss.detach(), torch.cat([p.grad.view(-1) for p in model.parameters()])))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_without_answers_every_row_has_its_scores(windows, tokenizer, model):
    batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id)
    batch = batcher.batch([replace(window, start=None, end=None) for window in windows])
    loss, scores = SpanObjective().losses(model, on_torch(batch), batch)
    assert float(loss) == 0.0
    assert {name: len(rows) for name, rows in scores.items()} == {
        "start_scores": batch.tokens, "end_scores": batch.tokens,
    }  # fmt: skip


def test_every_parameter_is_trained(windows, tokenizer, model):
    """What `trains_all` promises to adapters that exchange gradients."""
    batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id)
    feed = SampleFeed(windows, SampleOrder(5, 1), batcher.batch, 5, 5, weights="span_weights")
    (step,) = feed.steps(0, 1)
    (batch,) = step.micro_batches
    SpanObjective().losses(model, on_torch(batch), batch)[0].backward()
    assert SpanObjective().trains_all
    assert all(parameter.grad is not None for parameter in model.parameters())
