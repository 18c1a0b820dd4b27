"""The layer that kernels are compared with on a device, against formulas in float64."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model.fused.formulas import added_and_normed, mixed, seed_of

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.config import BertConfig
from bertkit.model.fused.checks.reference import reference_layer

LENGTHS = [5, 0, 21, 1]
SHAPE = BertConfig(
    vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=64, hidden_dropout_prob=0.4, attention_probs_dropout_prob=0.3,
)  # fmt: skip


def made() -> EncoderLayer:
    torch.manual_seed(1)
    layer = EncoderLayer(SHAPE).double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    return layer


@pytest.mark.parametrize("keep", [None, [3, 7, 8, 26, 3]])
def test_without_dropout_it_is_the_layer(keep):
    layer, layout = made().eval(), UnpaddedLayout(LENGTHS)
    rows = torch.randn(layout.rows, 32, dtype=torch.float64)
    chosen = None if keep is None else torch.tensor(keep)
    found = reference_layer(layer, rows, layout, chosen, torch.zeros(3, 4, dtype=torch.int32))
    torch.testing.assert_close(found, layer(rows, layout, chosen))


@pytest.mark.parametrize("keep", [None, [3, 7, 8, 26, 3]])
def test_with_dropout_it_is_the_formula(keep):
    layer, layout = made().train(), UnpaddedLayout(LENGTHS)
    rows = torch.randn(layout.rows, 32, dtype=torch.float64)
    seeds = [seed_of(one, 2**31 - 1 - one, "cpu") for one in (12345, 2**31 - 1, 0)]
    chosen = torch.arange(len(rows)) if keep is None else torch.tensor(keep)
    found = reference_layer(
        layer, rows, layout, None if keep is None else chosen, torch.stack(seeds)
    )
    starts = torch.tensor([0, *np.cumsum(LENGTHS)])
    ragged = SimpleNamespace(starts=starts, heads=2, rate=0.3, seed=seeds[0])
    projected = torch.nn.functional.linear(rows, *layer.attention.self.joined())
    mixture, residual = mixed(projected, ragged)[chosen], rows[chosen]
    for part, seed in ((layer.attention.output, seeds[1]), (layer.output, seeds[2])):
        drop = SimpleNamespace(rate=0.4, seed=seed)
        norm = part.LayerNorm
        residual = added_and_normed(
            mixture @ part.dense.weight.t(), part.dense.bias, residual, norm.weight, norm.bias, drop
        )
        mixture = layer.intermediate(residual)
    torch.testing.assert_close(found, residual)
