from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.tasks.squad.batches import WindowBatcher, WindowFeed
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, squad


@pytest.fixture
def windows(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS, PEOPLE)), training=True)
    return WindowMaker(tokenizer, 40, 8, 8).windows(questions, training=True)


def test_rows_positions_and_segments(windows, tokenizer):
    vocab = tokenizer.vocab
    batch = WindowBatcher(vocab.cls_id, vocab.sep_id).batch(windows)
    assert list(batch.lengths) == sorted((w.length for w in windows), reverse=True)
    assert batch.arrays["cumulative"][-1] == len(batch.arrays["ids"]) == batch.tokens
    for row, length in zip(batch.arrays["cls_rows"], batch.lengths, strict=True):
        ids = batch.arrays["ids"][row : row + length]
        segments = batch.arrays["segments"][row : row + length]
        first = int(np.flatnonzero(ids == vocab.sep_id)[0])
        assert (ids[0], ids[-1]) == (vocab.cls_id, vocab.sep_id)
        assert list(segments) == [0] * (first + 1) + [1] * (length - first - 1)
        assert list(batch.arrays["positions"][row : row + length]) == list(range(length))
    answers = [
        [vocab.token(int(i)) for i in batch.arrays["ids"][row + start : row + end + 1]]
        for row, start, end in zip(
            *(batch.arrays[name] for name in ("cls_rows", "starts", "ends")), strict=True
        )
    ]
    assert sorted(map(" ".join, answers)) == ["1844", "a poem", "london", "maria", "the seine"]


def test_padded_and_unpadded_give_the_same_loss_and_gradients(windows, tokenizer):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer.vocab), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=40,
        initializer_range=0.3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertForQuestionAnswering(config)
    found = []
    for length in (0, 40):
        batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id, length)
        feed = WindowFeed(windows, SampleOrder(len(windows), 1), batcher, 5, 5)
        (step,) = feed.steps(0, 1)
        (batch,) = step.micro_batches
        tensors = {name: torch.from_numpy(value) for name, value in batch.arrays.items()}
        model.zero_grad()
        loss, sums = SpanObjective().losses(model, tensors, batch)
        loss.backward()
        assert sums["span_count"] == 5
        found.append((loss.detach(), torch.cat([p.grad.view(-1) for p in model.parameters()])))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_feed_goes_on_at_a_position_and_scales_by_the_step(windows, tokenizer):
    batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id)
    feed = WindowFeed(windows, SampleOrder(len(windows), 7), batcher, 4, 2)
    steps = list(feed.steps(0, 3))
    (again,) = feed.steps(steps[1].next_position, 1)
    assert again.next_position == steps[2].next_position == 12
    for one, other in zip(again.micro_batches, steps[2].micro_batches, strict=True):
        assert np.array_equal(one.arrays["ids"], other.arrays["ids"])
        assert one.arrays["span_weights"].tolist() == [0.25] * one.sequences
