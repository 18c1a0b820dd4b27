"""Turns padded tensors into the flat rows that the encoder takes, and its rows back into tables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bertkit.errors import DataError
from bertkit.model.attention import Layout, PaddedLayout, UnpaddedLayout
from bertkit.model.bert import TokenBatch
from bertkit.model.config import BertConfig


@dataclass(frozen=True)
class FlatRows:
    """Sequences as flat rows, and where each row stands in the table [B, L] that they came from.

    Attributes:
        tokens: The T rows.
        places: int64 [T], the place of each row, counted through the table.
        shape: (B, L).
    """

    tokens: TokenBatch
    places: Tensor
    shape: tuple[int, int]

    def table(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Rows [T, ...] as [B, L, ...], `fill` where there is no row."""
        count, length = self.shape
        if len(values) == count * length:
            return values.view(count, length, *values.shape[1:])
        whole = values.new_full((count * length, *values.shape[1:]), fill)
        return whole.index_copy(0, self.places, values).view(count, length, *values.shape[1:])

    def taken(self, labels: Tensor) -> Tensor:
        """Of a table [B, L] what belongs to the rows, [T]."""
        return labels.reshape(-1).index_select(0, self.places)


def flat_rows(
    config: BertConfig,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    token_type_ids: Tensor | None = None,
) -> FlatRows:
    """Sequences without their padding, where all of it stands at their ends.

    Args:
        config: Shape of the model.
        input_ids: int64 [B, L].
        attention_mask: [B, L], 0 on padding; None: no padding.
        token_type_ids: int64 [B, L]; None: 0.

    Raises:
        DataError: Tensors of other shapes, longer sequences than the model has positions, or a
            token that it has no row for (on CPUs; other devices say it in their own way).
    """
    _check(config, input_ids, attention_mask, token_type_ids)
    count, length = input_ids.shape
    segments = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
    real = None if attention_mask is None else attention_mask.bool()
    positions = torch.arange(length, device=input_ids.device).expand(count, length)
    layout: Layout
    if real is not None and _padded_at_the_end(real):
        places = real.reshape(-1).nonzero()[:, 0]
        layout = UnpaddedLayout(real.sum(1).tolist()).to(input_ids.device)
        first = layout.cumulative[:-1].long()
    else:
        places = torch.arange(count * length, device=input_ids.device)
        layout = PaddedLayout(count, length, real)
        first = torch.arange(count, device=input_ids.device) * length
    ids, kinds, where = (
        values.reshape(-1).index_select(0, places) for values in (input_ids, segments, positions)
    )
    return FlatRows(TokenBatch(ids, kinds, where, first, layout), places, (count, length))


def _padded_at_the_end(real: Tensor) -> bool:
    """Whether every sequence begins with a token and has all its padding behind the last one."""
    return bool(real[:, 0].all() and (real[:, 1:] <= real[:, :-1]).all())


def _check(
    config: BertConfig, input_ids: Tensor, mask: Tensor | None, segments: Tensor | None
) -> None:
    if input_ids.dim() != 2 or not input_ids.numel():
        raise DataError(
            f"input_ids has the shape {list(input_ids.shape)}",
            "give [sequences, tokens]; one sequence is [1, tokens]",
        )
    for name, values in (("attention_mask", mask), ("token_type_ids", segments)):
        if values is not None and values.shape != input_ids.shape:
            raise DataError(
                f"{name} has the shape {list(values.shape)}, input_ids {list(input_ids.shape)}"
            )
    if input_ids.shape[1] > config.max_position_embeddings:
        raise DataError(
            f"sequences of {input_ids.shape[1]} tokens, the model has"
            f" {config.max_position_embeddings} positions",
            "cut them: the tokenizer takes max_length",
        )
    if input_ids.device.type == "cpu":
        least, most = (int(value) for value in input_ids.aminmax())
        if least < 0 or most >= config.vocab_size:
            raise DataError(
                f"token number {least if least < 0 else most}, the model has"
                f" {config.vocab_size} rows",
                "the text was made into tokens with another vocabulary",
            )
