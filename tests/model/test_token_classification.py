"""The head of tokens against transformers' BertForTokenClassification, with the same weights."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from bertkit.model.checkpoints.hf import load_weights, normalise_names, save_pretrained
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.token_classification import BertForTokenClassification

from .test_heads import close

NAMES = ["O", "B-PER", "I-PER", "B-creative-work", "E-x"]
FACTS = {
    "id2label": {str(number): name for number, name in enumerate(NAMES)},
    "label2id": {name: number for number, name in enumerate(NAMES)},
}


def pair(small):
    values = small.to_dict()
    del values["architectures"], values["torch_dtype"]
    torch.manual_seed(1)
    shape = transformers.BertConfig(**values, num_labels=len(NAMES))
    theirs = transformers.BertForTokenClassification(shape).eval()
    for value in theirs.parameters():  # biases of 0 would hide mistakes
        if value.dim() == 1:
            value.data.add_(torch.randn_like(value) * 0.1)
    ours = BertForTokenClassification(small, len(NAMES), facts=FACTS).eval()
    assert not load_into(ours, normalise_names(theirs.state_dict())).missing
    return ours, theirs


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_logits_loss_and_gradients_equal_transformers(small, sentences, layout):
    ours, theirs = pair(small)
    labels = torch.randint(0, len(NAMES), sentences.mask.shape)
    labels[~sentences.mask | (torch.rand(labels.shape) < 0.3)] = -100
    wanted = theirs(
        input_ids=sentences.ids,
        token_type_ids=sentences.segments,
        attention_mask=sentences.mask.long(),
        labels=labels,
    )
    tokens = getattr(sentences, layout)()
    kept = torch.ones_like(sentences.mask) if layout == "padded" else sentences.mask
    grid = torch.zeros(*labels.shape, len(NAMES))
    grid[kept] = ours(tokens)["outputs"]
    torch.testing.assert_close(
        grid[sentences.mask], wanted.logits[sentences.mask], atol=1e-5, rtol=1e-5
    )
    sums = ours(tokens, None, labels[kept])
    assert sums["tag_count"] == (labels >= 0).sum()
    loss = sums["loss"] / sums["tag_count"]
    torch.testing.assert_close(loss, wanted.loss, atol=0, rtol=1e-5)
    loss.backward()
    wanted.loss.backward()
    gradients = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        assert close(value.grad, gradients[name].grad), name


def test_chosen_rows_give_the_same_numbers_for_less_work(small, sentences):
    model = BertForTokenClassification(small, 3).eval()
    tokens, rows = sentences.unpadded(), torch.tensor([1, 4, 30, 9])
    labels = torch.tensor([0, 2, -100, 1])
    weights = torch.tensor([1.0, 0.5, 1.0, 0.25])
    everything = torch.full((len(tokens.ids),), -100).index_copy(0, rows, labels)
    spread = torch.zeros(len(tokens.ids)).index_copy(0, rows, weights)
    chosen, whole = model(tokens, rows, labels, weights), model(tokens, None, everything, spread)
    assert chosen["tag_count"] == 3
    for name, value in chosen.items():
        torch.testing.assert_close(value, whole[name], atol=1e-5, rtol=1e-5)


def test_dropout_stands_before_the_classifier(small, sentences):
    model = BertForTokenClassification(small, 3, classifier_dropout=0.5).train()
    tokens = sentences.unpadded()
    assert not torch.equal(model.logits(tokens), model.logits(tokens))
    assert BertForTokenClassification(small, 3).rate == small.hidden_dropout_prob


def test_the_saved_model_is_one_of_transformers_with_labels_and_is_read_back(
    small, sentences, tmp_path
):
    ours, _ = pair(small)
    save_pretrained(ours, tmp_path)
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    assert theirs.config.id2label == dict(enumerate(NAMES))
    assert json.loads((tmp_path / "config.json").read_text())["label2id"]["E-x"] == 4
    logits = theirs(sentences.ids, sentences.mask.long(), sentences.segments).logits
    found = ours.logits(sentences.unpadded())
    torch.testing.assert_close(found, logits[sentences.mask], atol=1e-5, rtol=1e-5)
    again = BertForTokenClassification(small, len(NAMES)).eval()
    assert not load_into(again, load_weights(tmp_path)).missing
    assert torch.equal(again.logits(sentences.unpadded()), found)
