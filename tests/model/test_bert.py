from __future__ import annotations

import dataclasses

import pytest
import torch

from bertkit.model.bert import BertModel, initialise, picked


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
@pytest.mark.parametrize("layers", [1, 2])
def test_rows_by_number_are_those_of_all_rows(small, sentences, layout, layers):
    small.num_hidden_layers = layers
    model = BertModel(small, pooler=False)
    tokens, rows = getattr(sentences, layout)(), getattr(sentences, f"{layout}_rows")
    places = [rows, tokens.cls_rows]
    parts = model.at(tokens, places)
    sum((part * part).sum() for part in parts).backward()
    found = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    hidden = model(tokens)
    expected = [picked(hidden, where) for where in places]
    sum((part * part).sum() for part in expected).backward()
    torch.testing.assert_close(parts, expected, rtol=1e-5, atol=1e-5)
    for name, value in model.named_parameters():
        torch.testing.assert_close(found[name], value.grad, rtol=1e-4, atol=1e-3, msg=name)


def test_the_last_layer_leaves_out_what_nobody_reads(small, sentences):
    model = BertModel(small, pooler=False)
    seen = []
    for layer in model.encoder.layer:
        layer.intermediate.register_forward_hook(lambda _, given, made: seen.append(len(given[0])))
    tokens = sentences.unpadded()
    model.at(tokens, [sentences.unpadded_rows, tokens.cls_rows])
    wanted = len(sentences.unpadded_rows) + len(tokens.cls_rows)
    assert seen == [tokens.layout.rows, wanted]


def test_numbers_within_stretches_take_the_same_rows(small, sentences):
    model = BertModel(small, pooler=False)
    tokens = sentences.padded()
    within = torch.tensor([[0, 3], [1, 1], [2, 0], [3, 2], [0, 5]])
    flat = (within + tokens.cls_rows[:, None]).reshape(-1)
    (dealt,), (straight,) = model.at(tokens, [within]), model.at(tokens, [flat])
    torch.testing.assert_close(dealt, straight, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
def test_recomputed_activations_change_no_bit_and_are_not_kept(small, sentences, layout):
    small.num_hidden_layers = 4
    small.hidden_dropout_prob = small.attention_probs_dropout_prob = 0.3
    model = BertModel(small, pooler=False)
    tokens = getattr(sentences, layout)()
    places = [getattr(sentences, f"{layout}_rows"), tokens.cls_rows]

    def gradients(recompute):
        model.encoder.recompute = recompute
        kept = 0

        def count(value):
            nonlocal kept
            kept += value.numel()
            return value

        torch.manual_seed(3)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
            loss = sum((part * part).sum() for part in model.at(tokens, places))
        model.zero_grad()
        loss.backward()
        return kept, {name: value.grad.clone() for name, value in model.named_parameters()}

    (all_kept, plain), (less_kept, again) = gradients(False), gradients(True)
    assert [name for name in plain if not torch.equal(plain[name], again[name])] == []
    assert less_kept < all_kept / 2


def test_a_model_with_one_kind_of_segment_knows_no_other(small, sentences):
    small.type_vocab_size = 1
    model = BertModel(small, pooler=False)
    tokens = sentences.padded()
    assert tokens.segments.max() == 1
    same = dataclasses.replace(tokens, segments=torch.zeros_like(tokens.segments))
    assert torch.equal(model(tokens), model(same))


@pytest.mark.parametrize("initializer", ["truncated_normal", "normal"])
def test_weights_without_deviation_are_zero(small, initializer):
    config = dataclasses.replace(small, initializer=initializer, initializer_range=0.0)
    model = BertModel(config)
    initialise(model, config)
    assert not model.get_parameter("embeddings.word_embeddings.weight").any()
