"""The whole model against transformers, with the same weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers
from torch.nn import functional

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.checkpoints.hf import normalise_names
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.losses import vocabulary_loss


def reference(config: BertConfig, kind: str):
    values = {
        k: v for k, v in config.to_dict().items() if k not in ("architectures", "torch_dtype")
    }
    torch.manual_seed(1)
    model = getattr(transformers, kind)(transformers.BertConfig(**values)).eval()
    for value in model.parameters():  # biases of 0 would hide mistakes
        if value.dim() == 1:
            value.data.add_(torch.randn_like(value) * 0.1)
    return model


def pair(config: BertConfig):
    theirs = reference(config, "BertForPreTraining")
    ours = BertForPreTraining(config).eval()
    report = load_into(ours, normalise_names(theirs.state_dict()))
    assert not report.missing
    assert not report.unexpected
    return ours, theirs


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal within 1e-5 of the norm; some gradients are 0 up to round-off (key biases)."""
    return bool((one - other).norm() <= 1e-5 * other.norm() + 1e-6)


def hf_outputs(model, data):
    return model(
        input_ids=data.ids,
        token_type_ids=data.segments,
        attention_mask=data.mask.long(),
        labels=data.table_labels,
        next_sentence_label=data.nsp,
    )


def mean_loss(sums):
    return sums["mlm_loss_sum"] / sums["mlm_count"] + sums["nsp_loss_sum"] / sums["nsp_count"]


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_logits_equal_transformers(small, sentences, layout, activation):
    small.hidden_act = activation
    ours, theirs = pair(small)
    with torch.no_grad():
        expected = hf_outputs(theirs, sentences)
        tokens = getattr(sentences, layout)()
        rows = getattr(sentences, f"{layout}_rows")
        words, nsp = ours.logits(tokens, rows)
    wanted = expected.prediction_logits.view(-1, small.vocab_size)[sentences.padded_rows]
    torch.testing.assert_close(words, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(nsp, expected.seq_relationship_logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_loss_counts_and_gradients_equal_transformers(small, sentences, layout):
    ours, theirs = pair(small)
    expected = hf_outputs(theirs, sentences)
    expected.loss.backward()
    tokens, rows = getattr(sentences, layout)(), getattr(sentences, f"{layout}_rows")
    sums = ours(tokens, rows, sentences.labels, sentences.nsp)
    loss = mean_loss(sums)
    loss.backward()
    torch.testing.assert_close(loss, expected.loss, rtol=1e-5, atol=0)
    assert sums["mlm_count"] == (sentences.table_labels >= 0).sum()
    words = expected.prediction_logits.argmax(-1)
    assert sums["mlm_correct"] == (words == sentences.table_labels).sum()
    guesses = expected.seq_relationship_logits.argmax(-1)
    assert sums["nsp_correct"] == (guesses == sentences.nsp).sum()
    wanted = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        assert close(value.grad, wanted[name]), name


def test_layouts_agree_with_each_other(small, sentences):
    model = BertForPreTraining(small)
    results = {}
    for layout in ("padded", "unpadded"):
        model.zero_grad()
        tokens, rows = getattr(sentences, layout)(), getattr(sentences, f"{layout}_rows")
        loss = mean_loss(model.losses(tokens, rows, sentences.labels, sentences.nsp))
        loss.backward()
        results[layout] = loss.detach(), torch.cat([p.grad.view(-1) for p in model.parameters()])
    torch.testing.assert_close(results["padded"][0], results["unpadded"][0], rtol=1e-5, atol=0)
    assert close(results["padded"][1], results["unpadded"][1])


def test_without_next_sentence_labels_only_words_count(small, sentences):
    model = BertForPreTraining(small)
    sums = model.losses(sentences.unpadded(), sentences.unpadded_rows, sentences.labels)
    assert sums["nsp_count"] == 0
    assert sums["nsp_loss_sum"] == 0
    sums["mlm_loss_sum"].backward()
    assert model.bert.pooler.dense.weight.grad is None


def test_ignored_labels_change_nothing(small, sentences):
    model = BertForPreTraining(small)
    tokens, rows, labels = sentences.unpadded(), sentences.unpadded_rows, sentences.labels
    plain = model.losses(tokens, rows, labels, sentences.nsp)
    filled = model.losses(
        tokens,
        torch.cat([rows, rows[:3]]),
        torch.cat([labels, torch.full((3,), -100)]),
        sentences.nsp,
    )
    torch.testing.assert_close(plain["mlm_loss_sum"], filled["mlm_loss_sum"])
    assert plain["mlm_count"] == filled["mlm_count"]


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_bfloat16_autocast_is_close_and_finite(small, sentences, dropout):
    model = BertForPreTraining(small)
    tokens, rows, labels = sentences.unpadded(), sentences.unpadded_rows, sentences.labels
    exact = mean_loss(model.losses(tokens, rows, labels, sentences.nsp))
    for module in model.modules():
        if hasattr(module, "rate"):
            module.rate = dropout
    with torch.autocast("cpu", torch.bfloat16):
        loss = mean_loss(model.losses(tokens, rows, labels, sentences.nsp))
    loss.backward()
    assert loss.dtype == torch.float32
    if dropout == 0.0:
        torch.testing.assert_close(loss, exact, rtol=2e-2, atol=0)
    for name, value in model.named_parameters():
        assert torch.isfinite(value.grad).all(), name
        assert value.grad.dtype == torch.float32


def test_new_weights_follow_the_configuration(small):
    def flat(kind):
        small.initializer = kind
        torch.manual_seed(0)
        model = BertForPreTraining(small)
        assert (model.cls.predictions.transform.dense.bias == 0).all()
        assert (model.bert.embeddings.LayerNorm.weight == 1).all()
        return torch.cat([p.detach().view(-1) for p in model.parameters() if p.dim() == 2])

    cut, whole = flat("truncated_normal"), flat("normal")
    assert cut.abs().max() <= 2 * small.initializer_range
    assert whole.abs().max() > 2.5 * small.initializer_range
    assert abs(whole.std() / small.initializer_range - 1) < 0.02
    assert torch.equal(flat("normal"), whole)


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_span_scores_and_loss_equal_transformers(small, sentences, layout):
    theirs = reference(small, "BertForQuestionAnswering")
    ours = BertForQuestionAnswering(small)
    assert not load_into(ours, normalise_names(theirs.state_dict())).missing
    expected = theirs(sentences.ids, sentences.mask.long(), sentences.segments)
    tokens = getattr(sentences, layout)()
    start = ours(tokens)["start_scores"]
    torch.testing.assert_close(
        tokens.layout.grid(start, 0.0)[sentences.mask],
        expected.start_logits[sentences.mask],
        atol=1e-5,
        rtol=1e-5,
    )
    starts, ends = torch.tensor([1, 0, 5, -1, 30]), torch.tensor([2, 0, 16, -1, 30])
    loss = 0.0
    for logits, labels in ((expected.start_logits, starts), (expected.end_logits, ends)):
        hidden = logits.masked_fill(~sentences.mask, -1e9)
        loss = loss + functional.cross_entropy(hidden, labels, ignore_index=-1, reduction="sum") / 2
    sums = ours(tokens, starts, ends)
    torch.testing.assert_close(sums["span_loss_sum"], loss, rtol=1e-5, atol=0)
    assert sums["span_count"] == 4
    sums["loss"].backward()
    loss.backward()
    wanted = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        assert close(value.grad, wanted[name].grad), name


def test_padding_of_an_unpadded_batch_counts_in_no_span(small, sentences):
    """Sequences without rows and weight, and spans of rows that belong to no sequence."""
    torch.manual_seed(1)
    model = BertForQuestionAnswering(small)
    tokens = sentences.unpadded()
    starts, ends = torch.tensor([1, 0, 5, 2, 30]), torch.tensor([2, 0, 16, 2, 30])
    weights = torch.tensor([0.2, 0.1, 0.3, 0.2, 0.2])
    plain = model(tokens, starts, ends, weights)
    gradients = torch.autograd.grad(plain["loss"], model.parameters())
    rows, lengths = tokens.layout.rows, tokens.layout.lengths
    zeros = torch.zeros(7, dtype=torch.int64)
    filled = replace(
        tokens,
        ids=torch.cat((tokens.ids, zeros)),
        segments=torch.cat((tokens.segments, zeros)),
        positions=torch.cat((tokens.positions, torch.tensor([0, 1, 2, 3, 0, 1, 2]))),
        cls_rows=torch.cat((tokens.cls_rows, zeros[:2])),
        layout=UnpaddedLayout([*lengths, 4, 3, 0, 0], longest=max(lengths)),
    )
    assert filled.layout.rows == rows + 7
    found = model(filled, *(torch.cat((own, own.new_zeros(2))) for own in (starts, ends, weights)))
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    assert found["span_count"] == 5
    for one, other in zip(
        torch.autograd.grad(found["loss"], model.parameters()), gradients, strict=True
    ):
        assert close(one, other)


@pytest.mark.parametrize("fused", [False, True])
def test_the_loss_is_told_whether_it_is_fused(small, sentences, monkeypatch, fused):
    told = []

    def loss(*given, fused, **named):
        told.append(fused)
        return vocabulary_loss(*given, **named)

    monkeypatch.setattr("bertkit.model.heads.vocabulary_loss", loss)
    model = BertForPreTraining(small)
    assert model.fused is False
    model.fused = fused
    model.losses(sentences.unpadded(), sentences.unpadded_rows, sentences.labels)
    assert told == [fused]
