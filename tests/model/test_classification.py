"""Logits, losses and gradients of the classification head are those of transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.data.sample_feed import side_by_side
from bertkit.model.classification import MULTI, REGRESSION, SINGLE, BertForSequenceClassification
from bertkit.model.config import BertConfig
from bertkit.train.token_batch import token_batch

transformers = pytest.importorskip("transformers")
SHAPE = BertConfig(
    vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=48, max_position_embeddings=16, initializer_range=0.2,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
LABELS = {
    SINGLE: (3, torch.tensor([2, 0, 1])),
    MULTI: (3, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])),
    REGRESSION: (1, torch.tensor([0.5, -2.0, 3.0])),
}


def batch_of(lengths, padded=0):
    random = np.random.default_rng(0)
    ids = [random.integers(5, 40, length) for length in lengths]
    segments = [np.arange(length) >= length // 2 for length in lengths]
    micro = side_by_side(ids, segments, padded)
    tensors = {name: torch.from_numpy(values) for name, values in micro.arrays.items()}
    return ids, segments, token_batch(tensors, micro)


def theirs_of(ours, problem):
    kind = transformers.BertForSequenceClassification
    config = transformers.BertConfig.from_dict(
        SHAPE.to_dict(kind.__name__)
        | {"num_labels": LABELS[problem][0], "problem_type": problem, "classifier_dropout": 0.0}
    )
    theirs = kind(config)
    report = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not report.missing_keys and not report.unexpected_keys
    return theirs.train()


@pytest.mark.parametrize("problem", LABELS)
@pytest.mark.parametrize("padded", [0, 12])
def test_the_head_is_that_of_transformers(problem, padded):
    torch.manual_seed(1)
    count, labels = LABELS[problem]
    ours = BertForSequenceClassification(SHAPE, count, problem).train()
    theirs = theirs_of(ours, problem)
    lengths = (9, 6, 3)
    ids, segments, tokens = batch_of(lengths, padded)
    rows = torch.zeros((3, 3, 9), dtype=torch.long)
    for number, length in enumerate(lengths):
        rows[0, number, :length] = torch.from_numpy(ids[number])
        rows[1, number, :length] = torch.from_numpy(segments[number])
        rows[2, number, :length] = 1
    found = theirs(input_ids=rows[0], token_type_ids=rows[1], attention_mask=rows[2], labels=labels)
    assert torch.allclose(ours.logits(tokens), found.logits, atol=1e-5)
    sums = ours(tokens, labels, torch.full((3,), 1 / 3))
    assert float(sums["loss"].detach()) == pytest.approx(float(found.loss.detach()), abs=1e-5)
    assert float(sums["label_loss_sum"]) / 3 == pytest.approx(float(found.loss.detach()), abs=1e-5)
    assert float(sums["label_count"]) == 3
    sums["loss"].backward()
    found.loss.backward()
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, wanted[name].grad, atol=1e-5), name


def test_weights_of_labels_and_of_padding_count():
    torch.manual_seed(1)
    labels = torch.tensor([2, 0, 1])
    plain = BertForSequenceClassification(SHAPE, 3)
    weighed = BertForSequenceClassification(SHAPE, 3, class_weights=(0.5, 1.0, 4.0))
    weighed.load_state_dict(plain.state_dict())  # they are no parameters
    _, _, tokens = batch_of((9, 6, 3))
    wanted = torch.nn.functional.cross_entropy(
        plain.logits(tokens), labels, weight=torch.tensor([0.5, 1.0, 4.0]), reduction="none"
    )
    found = weighed(tokens, labels, torch.tensor([1.0, 2.0, 0.0]))
    assert torch.allclose(found["loss"], wanted[0] + 2 * wanted[1])
    assert float(found["label_count"]) == 2
    right = plain.logits(tokens).argmax(-1) == labels
    assert float(found["label_correct"]) == float(right[:2].sum())


def test_dropout_before_the_head_is_that_of_the_settings():
    _, _, tokens = batch_of((9, 6))
    model = BertForSequenceClassification(SHAPE, 2, classifier_dropout=0.5).train()
    torch.manual_seed(0)
    assert not torch.equal(model.logits(tokens), model.logits(tokens))
    assert BertForSequenceClassification(SHAPE, 2).rate == 0.0
