"""Sentence scores against a plain BertModel of transformers and a Linear, with the same weights."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch.nn import functional

from bertkit.model.sentence_head import BertForSentenceExtraction

ROWS = ((0, 4), (0,), (0, 5, 11), (0,), (0, 9, 20))  # places of [CLS] in each sequence


def reference(config):
    values = config.to_dict()
    values = {name: values[name] for name in values if name not in ("architectures", "torch_dtype")}
    torch.manual_seed(2)
    return transformers.BertModel(
        transformers.BertConfig(**values), add_pooling_layer=False
    ), torch.nn.Linear(config.hidden_size, 1)


def pair(config):
    encoder, head = reference(config)
    ours = BertForSentenceExtraction(config)
    weights = {f"bert.{name}": value for name, value in encoder.state_dict().items()}
    weights |= {f"classifier.{name}": value for name, value in head.state_dict().items()}
    ours.load_state_dict(weights)
    return ours, encoder, head


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_loss_and_gradients_equal_bert_model_and_linear(small, sentences, layout):
    ours, encoder, head = pair(small)
    hidden = encoder(sentences.ids, sentences.mask.long(), sentences.segments).last_hidden_state
    logits = torch.cat([head(hidden[n, list(at)]) for n, at in enumerate(ROWS)]).squeeze(-1)
    labels = torch.tensor([1.0, 0, 0, 1, 0, 0, 1, 1, 0, 1])
    factors = torch.rand(len(labels))
    factors[3] = 0.0
    each = functional.binary_cross_entropy(torch.sigmoid(logits), labels, reduction="none")
    (each * factors).sum().backward()

    tokens = getattr(sentences, layout)()
    rows = torch.tensor(
        [first + n for first, at in zip(tokens.cls_rows, ROWS, strict=True) for n in at]
    )
    with torch.no_grad():
        torch.testing.assert_close(
            ours(tokens, rows)["outputs"], logits[:, None], atol=1e-5, rtol=1e-5
        )
    sums = ours(tokens, rows, labels, factors)
    sums["loss"].backward()
    torch.testing.assert_close(sums["loss"], (each * factors).sum(), rtol=1e-5, atol=0)
    counted = factors > 0
    torch.testing.assert_close(sums["sentence_loss_sum"], each[counted].sum(), rtol=1e-5, atol=0)
    assert sums["sentence_count"] == 9
    assert sums["sentence_correct"] == ((logits > 0) == (labels > 0.5))[counted].sum()
    wanted = {f"bert.{name}": value.grad for name, value in encoder.named_parameters()}
    wanted |= {f"classifier.{name}": value.grad for name, value in head.named_parameters()}
    for name, value in ours.named_parameters():
        difference = (value.grad - wanted[name]).norm()
        assert difference <= 1e-5 * wanted[name].norm() + 1e-6, name


def test_without_weights_every_sentence_counts_once(small, sentences):
    model = BertForSentenceExtraction(small)
    tokens = sentences.unpadded()
    labels = torch.tensor([1.0, 0, 0, 1, 0])
    sums = model(tokens, tokens.cls_rows, labels)
    torch.testing.assert_close(sums["loss"], sums["sentence_loss_sum"])
    assert sums["sentence_count"] == 5
