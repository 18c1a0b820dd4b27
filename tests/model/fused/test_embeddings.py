"""Embeddings by kernels against PyTorch's operators in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from model.fused.formulas import factors, seed_of
from model.fused.test_rows import close
from slow_cases import slow

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import Embeddings, TokenBatch
from bertkit.model.config import BertConfig
from bertkit.model.fused import embeddings as calls
from bertkit.model.fused.dispatch import run_fused_embeddings
from bertkit.model.fused.embeddings import sums_by_id

WORDS = 40
NEVER = [7, 39]  # ids that no batch has


def made(kinds: int = 2, width: int = 96) -> Embeddings:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=WORDS, hidden_size=width, num_attention_heads=2, num_hidden_layers=1,
        intermediate_size=8, type_vocab_size=kinds, max_position_embeddings=50,
        hidden_dropout_prob=0.25,
    )  # fmt: skip
    embeddings = Embeddings(config)
    for weight in embeddings.parameters():
        torch.nn.init.normal_(weight, 0.3)
    return embeddings


def batch(lengths, device, kinds: int = 2) -> TokenBatch:
    """Half of the tokens are one word."""
    random, total = np.random.default_rng(5), sum(lengths)
    ids = random.choice(np.setdiff1d(np.arange(WORDS), NEVER), total)
    ids[random.random(total) < 0.5] = 11
    positions = np.concatenate([np.arange(length) for length in lengths])
    arrays = (ids, random.integers(0, kinds, total), positions, np.zeros(1, np.int64))
    tensors = (torch.from_numpy(array.astype(np.int64)) for array in arrays)
    return TokenBatch(*tensors, UnpaddedLayout(lengths)).to(device)


def exact_rows(embeddings: Embeddings, tokens: TokenBatch, seed) -> torch.Tensor:
    rows = Embeddings.forward(embeddings.double().eval(), tokens)
    rate = embeddings.rate if seed is not None else 0.0
    own = np.arange(len(rows)), np.arange(rows.shape[1])
    return rows * factors(*own, rate, () if seed is None else seed.tolist())


@pytest.mark.parametrize("kinds", [2, *slow(1, 5)])
@pytest.mark.parametrize("trains", [True, *slow(False)])
def test_rows_and_gradients(device, kind, kinds, trains, monkeypatch):
    half = kind
    seed = seed_of(5, 9, device) if trains else None
    monkeypatch.setattr(calls, "draw_seeds", lambda count, device: seed[None])
    embeddings, tokens = made(kinds), batch([20, 1, 13], device, kinds)  # more than a piece
    exact_tokens = replace(tokens.to("cpu"))
    given = torch.randn(len(tokens.ids), 96).to(half)
    here = made(kinds).to(device).train(trains)
    found = run_fused_embeddings(here, tokens, half)
    assert found.dtype == half
    exact = exact_rows(embeddings, exact_tokens, seed)
    close(found.detach(), exact.detach(), half)
    wanted = list(here.parameters())
    gradients = torch.autograd.grad(found, wanted, given.to(device))
    right = torch.autograd.grad(exact, list(embeddings.parameters()), given.double())
    for one, other, weight in zip(gradients, right, wanted, strict=True):
        assert one.dtype == torch.float32 and one.shape == weight.shape
        close(one, other, torch.float32)
    assert not gradients[0][NEVER].any()
    again = torch.autograd.grad(run_fused_embeddings(here, tokens, half), wanted, given.to(device))
    for one, other in zip(gradients, again, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("count", [1, 32, 33, 65, 600])
@pytest.mark.parametrize("different", [1, 30])
def test_sums_by_id(device, count, different):
    torch.manual_seed(2)
    changes, ids = torch.randn(count, 40), torch.randint(0, different, (count,)) + 3
    found = sums_by_id(changes.to(device), ids.to(device), torch.ones(40, 40, device=device))
    exact = torch.zeros(40, 40, dtype=torch.float64).index_add_(0, ids, changes.double())
    close(found, exact, torch.float32)
    assert not found[:3].any()


def test_many_ids_are_sorted_as_wide_numbers(device):
    ids, table = torch.tensor([40_000, 7, 40_000], device=device), torch.ones(40_001, 2)
    found = sums_by_id(torch.ones(3, 2, device=device), ids, table.to(device))
    assert found[40_000].tolist() == [2, 2] and found[7].tolist() == [1, 1]
    assert float(found.sum()) == 6


def test_no_rows(device):
    none = torch.zeros(0, dtype=torch.int64, device=device)
    here = made().to(device)
    tokens = TokenBatch(none, none, none, none, UnpaddedLayout([]))
    rows = run_fused_embeddings(here, tokens, torch.float16)
    assert rows.shape == (0, 96)
    rows.sum().backward()
    assert not any(weight.grad.any() for weight in here.parameters())


def test_evaluating_draws_nothing(device, monkeypatch):
    monkeypatch.setattr(calls, "draw_seeds", None)
    rows = run_fused_embeddings(made().to(device).eval(), batch([4], device), torch.float16)
    assert rows.isfinite().all()
