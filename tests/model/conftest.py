"""Small models and batches that the model tests share."""

from __future__ import annotations

import pytest
import torch

from bertkit.model.attention import PaddedLayout, UnpaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.config import BertConfig

LENGTHS = (9, 9, 17, 4, 31)
WIDTH = 31


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def small() -> BertConfig:
    return BertConfig(
        vocab_size=211,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=96,
        max_position_embeddings=40,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )


class Sentences:
    """The same sequences in every form: padded table, padded rows, unpadded rows."""

    def __init__(self, vocab_size: int) -> None:
        count = len(LENGTHS)
        lengths = torch.tensor(LENGTHS)
        columns = torch.arange(WIDTH)
        self.mask = columns[None, :] < lengths[:, None]
        self.ids = torch.randint(5, vocab_size, (count, WIDTH)) * self.mask
        self.segments = ((columns[None, :] >= 3) & self.mask).long()
        self.table_labels = torch.full((count, WIDTH), -100)
        for row, length in enumerate(LENGTHS):
            chosen = torch.randperm(length)[: max(1, length // 5)]
            self.table_labels[row, chosen] = torch.randint(5, vocab_size, (len(chosen),))
        self.nsp = torch.tensor([0, 1, 1, 0, 1])
        self.columns = columns.expand(count, WIDTH)
        self.padded_rows = (self.table_labels.view(-1) >= 0).nonzero()[:, 0]
        number = torch.cumsum(self.mask.reshape(-1), 0) - 1
        self.unpadded_rows = number[self.padded_rows]
        self.labels = self.table_labels.view(-1)[self.padded_rows]

    def padded(self) -> TokenBatch:
        count = len(LENGTHS)
        return TokenBatch(
            self.ids.reshape(-1),
            self.segments.reshape(-1),
            self.columns.reshape(-1),
            torch.arange(count) * WIDTH,
            PaddedLayout(count, WIDTH, self.mask),
        )

    def unpadded(self) -> TokenBatch:
        layout = UnpaddedLayout(LENGTHS)
        return TokenBatch(
            self.ids[self.mask],
            self.segments[self.mask],
            self.columns[self.mask],
            layout.cumulative[:-1].long(),
            layout,
        )


@pytest.fixture
def sentences(small) -> Sentences:
    return Sentences(small.vocab_size)
