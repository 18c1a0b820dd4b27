"""The BERT encoder on flat rows (Devlin et al., https://arxiv.org/abs/1810.04805).

Module and parameter names are those of `transformers`' BertModel, so weights travel
both ways without a table. Every module here maps rows to rows: a batch is one matrix
[T, H] of tokens, and only attention knows where the sequences are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from bertkit.model.attention import Layout, UnpaddedLayout, attention
from bertkit.model.config import BertConfig
from bertkit.model.cpu_half import layers as cpu_half
from bertkit.model.dropout import dropout
from bertkit.model.fused.dispatch import (
    embeddings_are_fused,
    is_fused,
    run_fused,
    run_fused_embeddings,
)


@dataclass(frozen=True)
class TokenBatch:
    """Tokens of a batch as flat rows.

    Attributes:
        ids: int64[T], vocabulary rows.
        segments: int64[T], 0 or 1.
        positions: int64[T], counted from 0 in each sequence.
        cls_rows: int64[N], the row of each sequence's [CLS].
        layout: where the sequences are.
    """

    ids: Tensor
    segments: Tensor
    positions: Tensor
    cls_rows: Tensor
    layout: Layout

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TokenBatch:
        """The same batch on a device."""
        return replace(
            self,
            ids=self.ids.to(device, non_blocking=non_blocking),
            segments=self.segments.to(device, non_blocking=non_blocking),
            positions=self.positions.to(device, non_blocking=non_blocking),
            cls_rows=self.cls_rows.to(device, non_blocking=non_blocking),
            layout=self.layout.to(device, non_blocking),
        )


def activation(values: Tensor, kind: str) -> Tensor:
    """The non-linearity named in the configuration (Hendrycks and Gimpel, 2016, for GELU)."""
    if kind == "gelu":
        return functional.gelu(values)
    if kind == "gelu_new":
        return functional.gelu(values, approximate="tanh")
    return functional.relu(values)


def picked(hidden: Tensor, where: Tensor) -> Tensor:
    """Some of the rows.

    Args:
        hidden: [T, H].
        where: int64[M], numbers of rows; or int64[N, P], numbers within each of N equally
            long spans of rows, for engines that distribute spans over several devices and
            therefore cannot take numbers that count across them.

    Returns:
        [M, H], or [N * P, H].
    """
    if where.dim() == 1:
        return hidden.index_select(0, where)
    width = hidden.shape[1]
    stretches = hidden.view(where.shape[0], -1, width)
    return stretches.gather(1, where[:, :, None].expand(-1, -1, width)).reshape(-1, width)


class Embeddings(nn.Module):
    """Sum of word, position and segment vectors, normalised.

    Attributes:
        fused: kernels made for this compute it where they can, see `bertkit.model.fused`.
    """

    fused: bool = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.rate = config.hidden_dropout_prob

    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of words, positions and segments, [.., H]."""
        parts = (self.word_embeddings, self.position_embeddings, self.token_type_embeddings)
        words, positions, segments = (part.weight for part in parts)
        return words, positions, segments

    def forward(self, tokens: TokenBatch, kind: torch.dtype | None = None) -> Tensor:
        """Rows [T, H] of the tokens.

        Args:
            tokens: of a batch.
            kind: what the rows are wanted in; others may come, of the type of the weights.
        """
        if self.fused and embeddings_are_fused(self, tokens.ids, kind):
            return run_fused_embeddings(self, tokens, cast(torch.dtype, kind))
        rows = self.word_embeddings(tokens.ids) + self.position_embeddings(tokens.positions)
        segments = tokens.segments
        if self.token_type_embeddings.num_embeddings == 1:  # a model that knows no segments
            segments = torch.zeros_like(segments)
        rows = rows + self.token_type_embeddings(segments)
        return dropout(self.LayerNorm(rows), self.rate, self.training)


class SelfAttention(nn.Module):
    """Query, key and value projections and the attention between rows.

    Attributes:
        joined_weight: [3H, H], the three weights one above the other, where somebody keeps
            them so (`bertkit.backends.torch.working_weights`); None: they are joined here.
        joined_bias: [3H], likewise.
    """

    joined_weight: Tensor | None = None
    joined_bias: Tensor | None = None

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.heads = config.num_attention_heads
        self.rate = config.attention_probs_dropout_prob

    def forward(self, rows: Tensor, layout: Layout) -> Tensor:
        """Rows [T, H] mixed within each sequence; the three projections are one product."""
        projected = functional.linear(rows, *self.joined())
        return attention(projected, self.heads, layout, self.rate if self.training else 0.0)

    def joined(self) -> tuple[Tensor, Tensor]:
        """The weights [3H, H] of the three projections one above the other, and biases [3H]."""
        if self.joined_weight is not None and self.joined_bias is not None:
            return self.joined_weight, self.joined_bias
        parts = (self.query, self.key, self.value)
        weight = torch.cat([part.weight for part in parts])
        return weight, torch.cat([part.bias for part in parts])


class AddAndNorm(nn.Module):
    """A projection, dropout, the residual and layer normalisation."""

    def __init__(self, inputs: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.rate = config.hidden_dropout_prob

    def forward(self, rows: Tensor, residual: Tensor) -> Tensor:
        """Rows [T, inputs] and residual [T, H] to [T, H]."""
        projected: Tensor = self.dense(rows)
        normed: Tensor = self.LayerNorm(dropout(projected, self.rate, self.training) + residual)
        return normed


class AttentionBlock(nn.Module):
    """Self-attention with its output projection."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = AddAndNorm(config.hidden_size, config)

    def forward(self, rows: Tensor, layout: Layout, keep: Tensor | None = None) -> Tensor:
        """Rows [T, H] to [T, H], or to the rows numbered `keep` only."""
        mixed = self.self(rows, layout)
        if keep is not None:
            mixed, rows = picked(mixed, keep), picked(rows, keep)
        normed: Tensor = self.output(mixed, rows)
        return normed


class Intermediate(nn.Module):
    """The widening half of the feed-forward block."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.kind = config.hidden_act

    def forward(self, rows: Tensor) -> Tensor:
        """Rows [T, H] to [T, intermediate_size]."""
        return activation(self.dense(rows), self.kind)


class EncoderLayer(nn.Module):
    """Attention, then the feed-forward block.

    Attributes:
        fused: kernels made for this layer compute it where they can, see
            `bertkit.model.fused`.
        fp8: they compute most products in 8 bits.
    """

    fused: bool = False
    fp8: bool = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = AttentionBlock(config)
        self.intermediate = Intermediate(config)
        self.output = AddAndNorm(config.intermediate_size, config)

    def forward(self, rows: Tensor, layout: Layout, keep: Tensor | None = None) -> Tensor:
        """Rows [T, H] to [T, H], or to the rows numbered `keep` only."""
        if is_fused(self, rows, layout):
            return run_fused(self, rows, cast(UnpaddedLayout, layout), keep)
        rows = self.attention(rows, layout, keep)
        normed: Tensor = self.output(self.intermediate(rows), rows)
        return normed


class Encoder(nn.Module):
    """The stack of layers.

    Attributes:
        recompute: keep only the rows between layers for the backward pass, and compute the
            rest again there, dropout included: the same numbers, a third more work, and
            memory for one layer instead of all (Chen et al., https://arxiv.org/abs/1604.06174).
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.recompute = False

    @property
    def kind(self) -> torch.dtype:
        """Of the weights, and so of the rows between layers."""
        first = cast(EncoderLayer, self.layer[0])
        return first.output.dense.weight.dtype

    def forward(self, rows: Tensor, layout: Layout, keep: Tensor | None = None) -> Tensor:
        """Rows [T, H] to [T, H] in the type of the weights, or to the rows numbered `keep` only.

        The rows can be of another type than the weights: the gradients of embeddings are sums
        over many rows and stay in float32, see `bertkit.backends.torch.working_weights`.

        Every row is a key in the last attention; after it, rows that nobody reads are left
        out: three quarters of the layer's products are made for the others alone.
        """
        if cpu_half.computes(rows.device, self.kind):
            return cpu_half.encoded(self, rows, layout, keep)
        rows = rows.to(self.kind)
        last = len(self.layer) - 1
        for number, layer in enumerate(self.layer):
            if self.recompute and self.training and number < last:
                rows = checkpoint(layer, rows, layout, None, use_reentrant=False)
            else:
                rows = layer(rows, layout, keep if number == last else None)
        return rows


def recompute_layers(model: nn.Module, wanted: bool) -> None:
    """Have every encoder of a model compute its layers again in the backward pass, or not."""
    for module in model.modules():
        if isinstance(module, Encoder):
            module.recompute = wanted


class Pooler(nn.Module):
    """tanh of a projection of [CLS]."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, rows: Tensor) -> Tensor:
        """[CLS] rows [N, H] to [N, H]."""
        return torch.tanh(self.dense(rows))


class BertModel(nn.Module):
    """Embeddings, encoder and, if wanted, the pooler."""

    def __init__(self, config: BertConfig, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.pooler = Pooler(config) if pooler else None

    def forward(self, tokens: TokenBatch) -> Tensor:
        """Hidden rows [T, H] of the last layer."""
        rows: Tensor = self.encoder(self._embedded(tokens), tokens.layout)
        return rows

    def _embedded(self, tokens: TokenBatch) -> Tensor:
        if self.embeddings.fused:
            return cast(Tensor, self.embeddings(tokens, self.encoder.kind))
        return cast(Tensor, self.embeddings(tokens))

    def at(self, tokens: TokenBatch, places: Sequence[Tensor]) -> list[Tensor]:
        """Some hidden rows of the last layer, for each of several `where` of `picked`.

        The same numbers as `picked` gives of all rows, for less work.
        """
        if any(where.dim() > 1 for where in places):
            hidden = self(tokens)
            return [picked(hidden, where) for where in places]
        wanted = torch.cat(list(places))
        rows: Tensor = self.encoder(self._embedded(tokens), tokens.layout, wanted)
        ends = [sum(map(len, places[: number + 1])) for number in range(len(places))]
        return [rows[end - len(where) : end] for where, end in zip(places, ends, strict=True)]


_drawn = True


@contextlib.contextmanager
def without_new_weights() -> Iterator[None]:
    """A block in which models are made whose weights are loaded next: they are 0 until then.

    To draw those of BERT-base takes four seconds.
    """
    global _drawn
    before, _drawn = _drawn, False
    try:
        yield
    finally:
        _drawn = before


@torch.no_grad()
def initialise(model: nn.Module, config: BertConfig) -> None:
    """Draw new weights: matrices around 0, biases 0, layer norms 1 and 0.

    Google's program cuts the normal distribution at two standard deviations, Hugging
    Face does not; `config.initializer` names the choice. PyTorch's generator decides
    the numbers, in the order of `model.modules()`.
    """
    if not _drawn:
        for weight in model.parameters():
            weight.zero_()
        return
    deviation = config.initializer_range
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            if config.initializer == "truncated_normal" and deviation:
                cut = 2 * deviation
                nn.init.trunc_normal_(module.weight, 0.0, deviation, -cut, cut)
            else:
                nn.init.normal_(module.weight, 0.0, deviation)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
