"""Computes attention over flat rows, for every batch layout.

All sequences of a batch lie in one matrix of rows. A layout says where each sequence
begins and ends; attention never crosses a sequence and never reads padding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from bertkit.model.cpu_attention import run_attention


@dataclass(frozen=True)
class PaddedLayout:
    """Sequences of one length, one after the other, with padding rows between them.

    Attributes:
        batch: sequences.
        length: rows per sequence, padding included.
        mask: bool[batch, length], True on real tokens; None where every row is real.
            A sequence without a real token attends to its padding, so that no NaN arises.
    """

    batch: int
    length: int
    mask: Tensor | None = None

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self.batch * self.length

    @cached_property
    def key_mask(self) -> Tensor | None:
        """bool[batch, 1, 1, length]: which keys may be attended to."""
        if self.mask is None:
            return None
        mask = self.mask.bool()
        return (mask | ~mask.any(1, keepdim=True))[:, None, None, :]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PaddedLayout:
        """The same layout with its tensors on a device."""
        if self.mask is None:
            return self
        return replace(self, mask=self.mask.to(device, non_blocking=non_blocking))

    def grid(self, values: Tensor, fill: float) -> Tensor:
        """Per-row values [T] as [batch, length], `fill` on padding."""
        table = values.view(self.batch, self.length)
        return table if self.mask is None else table.masked_fill(~self.mask.bool(), fill)


@dataclass(frozen=True)
class PackedLayout:
    """Rows of one length that hold several sequences each, for machines with dense attention.

    Attributes:
        numbers: int[batch, length], which sequence of its row each token belongs to, from
            1; 0 on padding, which attends to padding alone, so that no NaN arises.
    """

    numbers: Tensor

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self.numbers.shape[0] * self.numbers.shape[1]

    @cached_property
    def key_mask(self) -> Tensor:
        """bool[batch, 1, length, length]: which keys each query may attend to."""
        return (self.numbers[:, :, None] == self.numbers[:, None, :])[:, None]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PackedLayout:
        """The same layout with its tensors on a device."""
        return PackedLayout(self.numbers.to(device, non_blocking=non_blocking))


class UnpaddedLayout:
    """Sequences of any lengths, one after the other, without padding.

    Args:
        lengths: rows per sequence; zeros are allowed (they pad a batch to a fixed
            number of sequences). Order is free; equal lengths side by side run faster.
        cumulative: int32[N + 1] on the device of the rows: where each sequence begins,
            and the end. Made from the lengths where it is not given.
        longest: a bound of the lengths that stays the same from batch to batch, for
            kernels that are compiled for it; 0 takes the longest there is.
    """

    def __init__(
        self, lengths: Iterable[int], cumulative: Tensor | None = None, longest: int = 0
    ) -> None:
        self.lengths = tuple(int(length) for length in lengths)
        if cumulative is None:
            counts = torch.tensor((0, *self.lengths), dtype=torch.int32)
            cumulative = torch.cumsum(counts, 0, dtype=torch.int32)
        self.cumulative = cumulative
        self.longest = longest or max(self.lengths, default=0)

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return sum(self.lengths)

    @cached_property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(sequences, length) of each run of equally long neighbours; empty ones left out."""
        runs: list[list[int]] = []
        for length in self.lengths:
            if length == 0:
                continue
            if runs and runs[-1][1] == length:
                runs[-1][0] += 1
            else:
                runs.append([1, length])
        return tuple((count, length) for count, length in runs)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> UnpaddedLayout:
        """The same layout with its tensors on a device."""
        moved = self.cumulative.to(device, non_blocking=non_blocking)
        return UnpaddedLayout(self.lengths, moved, self.longest)

    @cached_property
    def places(self) -> Tensor:
        """int64[T]: the cell of every row in a table [N, longest], counted along its lines.

        Made of `cumulative`, so that no number is asked of the device or sent to it.
        """
        starts = self.cumulative
        rows = torch.arange(self.rows, dtype=starts.dtype, device=starts.device)
        owners = torch.searchsorted(starts[1:], rows, right=True)
        return owners * self.longest + (rows - starts.index_select(0, owners))

    def grid(self, values: Tensor, fill: float) -> Tensor:
        """Per-row values [T] as [N, longest], `fill` after each sequence's end."""
        count = len(self.lengths)
        table = values.new_full((count * self.longest,), fill)
        return table.index_copy(0, self.places, values).view(count, self.longest)


Layout = PaddedLayout | PackedLayout | UnpaddedLayout


def attention(projected: Tensor, heads: int, layout: Layout, dropout_rate: float) -> Tensor:
    """Scaled dot-product attention within each sequence (Vaswani et al., 2017).

    Args:
        projected: [T, 3H], the query, key and value of every row side by side.
        heads: attention heads; divides H.
        layout: where the sequences are; covers exactly T rows.
        dropout_rate: dropout on the probabilities; 0 outside training.

    Returns:
        [T, H], the heads of each row side by side.
    """
    if isinstance(layout, PaddedLayout):
        return _padded(projected, heads, layout, dropout_rate)
    if isinstance(layout, PackedLayout):
        return _dense(projected, heads, len(layout.numbers), layout.key_mask, dropout_rate)
    # Tensors on `meta` have shapes only; they take the way of CUDA, so that it can be checked.
    if projected.device.type in ("cuda", "meta"):
        return _ragged(projected, heads, layout, dropout_rate)
    if projected.device.type == "cpu":
        return run_attention(projected, heads, layout.runs, dropout_rate)
    return _run_by_run(projected, heads, layout, dropout_rate)


def cpu_runs(layout: Layout) -> tuple[tuple[int, int], ...] | None:
    """(sequences, length) of neighbours without padding, or None for a layout with a mask."""
    if isinstance(layout, UnpaddedLayout):
        return layout.runs
    if isinstance(layout, PaddedLayout) and layout.mask is None:
        return ((layout.batch, layout.length),)
    return None


def _padded(projected: Tensor, heads: int, layout: PaddedLayout, dropout_rate: float) -> Tensor:
    runs = cpu_runs(layout)
    if projected.device.type == "cpu" and runs is not None:
        return run_attention(projected, heads, runs, dropout_rate)
    return _dense(projected, heads, layout.batch, layout.key_mask, dropout_rate)


def _dense(
    projected: Tensor, heads: int, batch: int, mask: Tensor | None, dropout_rate: float
) -> Tensor:
    """Attention of equally long sequences through PyTorch's own choice of kernel.

    Other accelerators than CUDA get the formula: their engines fuse it, and not all of
    them know PyTorch's operator.
    """
    width = projected.shape[1] // 3
    parts = projected.view(batch, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    if projected.device.type in ("cpu", "cuda"):
        query, key, value = parts.unbind(0)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout_rate
        )
    else:  # unbind has several results, which the lazy engine of PyTorch 2.13 loses
        mixed = _formula(parts[0], parts[1], parts[2], mask, dropout_rate)
    return mixed.transpose(1, 2).reshape(-1, width)


def _formula(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_rate: float
) -> Tensor:
    """softmax(query keyᵀ / √D) value, all [batch, heads, length, D]."""
    scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2))
    if mask is not None:
        scores = scores + (~mask).to(scores.dtype) * torch.finfo(scores.dtype).min
    chances = functional.dropout(torch.softmax(scores, -1), dropout_rate, dropout_rate > 0)
    return torch.matmul(chances, value)


def _run_by_run(
    projected: Tensor, heads: int, layout: UnpaddedLayout, dropout_rate: float
) -> Tensor:
    """One dense attention per run of equal lengths: correct on every device."""
    pieces = torch.split_with_sizes(projected, [n * length for n, length in layout.runs])
    return torch.cat(
        [
            _dense(piece, heads, count, None, dropout_rate)
            for piece, (count, _) in zip(pieces, layout.runs, strict=True)
        ]
    )


def has_ragged_kernel(size: int, kind: torch.dtype) -> bool:
    """Whether GPUs compute attention over ragged rows by one kernel.

    Args:
        size: of a head.
        kind: of the rows.
    """
    if kind in (torch.float16, torch.bfloat16):
        return size % 8 == 0 and size <= 256
    return kind == torch.float32 and size % 4 == 0


def _ragged(projected: Tensor, heads: int, layout: UnpaddedLayout, dropout_rate: float) -> Tensor:
    """Attention over ragged rows by one kernel, with the operators beneath PyTorch's public ones.

    Flash attention (Dao, 2023) takes half precision; the memory-efficient kernels (Rabe and
    Staats, 2021) take float32 too, and reach half its speed. The public operators for ragged
    rows have no dropout.
    """
    width = projected.shape[1] // 3
    size = width // heads
    query, key, value = (
        part.view(-1, heads, size) for part in torch.split(projected, width, dim=1)
    )
    starts, longest = layout.cumulative, layout.longest
    if not has_ragged_kernel(size, projected.dtype):
        return _run_by_run(projected, heads, layout, dropout_rate)
    if projected.dtype != torch.float32:
        mixed: Tensor = torch.ops.aten._flash_attention_forward(
            query, key, value, starts, starts, longest, longest, dropout_rate, False, False
        )[0]
    else:
        mixed = torch.ops.aten._efficient_attention_forward(
            query[None],
            key[None],
            value[None],
            None,
            starts,
            starts,
            longest,
            longest,
            dropout_rate,
            0,
            compute_log_sumexp=projected.requires_grad,
        )[0]
    return mixed.reshape(-1, width)
