"""Parts of a model, compiled: as few times as there are kinds of them, and whole."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch._dynamo.utils import counters

from bertkit.backends.torch.compiled import compile_parts
from bertkit.model.attention import PackedLayout, PaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.config import BertConfig
from bertkit.model.token_classification import BertForTokenClassification

LENGTH = 8
SHAPE = BertConfig(
    vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
    intermediate_size=48, max_position_embeddings=LENGTH,
)  # fmt: skip


def tokens(count, packed):
    ids = torch.arange(count * LENGTH) % 50
    positions = torch.arange(LENGTH).repeat(count)
    mask = positions.view(count, LENGTH) < torch.arange(2, count + 2)[:, None]
    layout = PackedLayout(mask.int()) if packed else PaddedLayout(count, LENGTH, mask)
    return TokenBatch(ids, torch.zeros_like(ids), positions, positions[::LENGTH], layout)


@pytest.mark.parametrize("packed", [False, True])
def test_masks_do_not_break_layers(packed):
    torch.manual_seed(1)
    model = BertForTokenClassification(SHAPE, 3).eval()
    plain = [model(tokens(count, packed))["outputs"] for count in (3, 4, 5)]
    torch._dynamo.reset()
    counters.clear()
    counter = CompileCounter()
    compile_parts(model, dynamic=True, backend=counter)
    for count, right in zip((3, 4, 5), plain, strict=True):
        assert torch.equal(model(tokens(count, packed))["outputs"], right)
    assert not counters["graph_break"]
    assert counter.frame_count == 2, "embeddings and layers"
