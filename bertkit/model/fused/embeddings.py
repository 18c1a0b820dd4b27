"""Embeddings by the kernels of `embedding_kernels`, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bertkit.model.fused import embedding_kernels as kernels
from bertkit.model.fused.launch import Kernel
from bertkit.model.fused.layer import aligned
from bertkit.model.fused.random_bits import draw_seeds
from bertkit.model.fused.rows import (
    Dropout,
    add_groups,
    row_block,
    row_programs,
    row_warps,
)

_FORWARD = Kernel(kernels.embeddings_forward)
_BACKWARD = Kernel(kernels.embeddings_backward)
_PIECES = Kernel(kernels.add_pieces)
_JOIN = Kernel(kernels.join_pieces)

PIECE = 32  # rows that a program adds
_PIECE_BLOCK = 256  # columns per program
_JOIN_BLOCK = 128
_JOIN_TALL = 16  # pieces that a program takes at once


@dataclass(frozen=True)
class Places:
    """Which rows of the tables a batch has.

    Attributes:
        ids: int64[T], of the words.
        positions: int64[T].
        segments: int64[T].
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor

    def aligned(self) -> Places:
        """As the kernels take them."""
        return Places(aligned(self.ids), aligned(self.positions), aligned(self.segments))

    def each(self) -> tuple[Tensor, Tensor, Tensor]:
        """In the order of the tables."""
        return self.ids, self.positions, self.segments


@dataclass(frozen=True)
class Facts:
    """What embeddings need to know besides tensors.

    Attributes:
        epsilon: added to the variance.
        rate: of dropout.
        kind: of the rows they give.
    """

    epsilon: float
    rate: float
    kind: torch.dtype


def fused_embeddings(places: Places, facts: Facts, weights: tuple[Tensor, ...]) -> Tensor:
    """Rows [T, H] of a batch.

    Args:
        places: of its tokens.
        facts: of the model.
        weights: tables of words, positions and segments, [.., H]; gain and shift [H] of the norm.
    """
    every = (aligned(tensor) for tensor in weights)
    result: Tensor = _Embeddings.apply(places.aligned(), facts, *every)  # type: ignore[no-untyped-call]
    return result


def embeddings_forward(
    places: Places, facts: Facts, drop: Dropout, weights: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [T, H], and float32[T] means and 1 / standard deviations of what was normalised.

    Args:
        places: of the tokens.
        facts: of the model.
        drop: of the rows.
        weights: as in `fused_embeddings`.
    """
    words, _, _, gain, shift = weights
    rows, width = len(places.ids), words.shape[1]
    result = words.new_empty((rows, width), dtype=facts.kind)
    means = words.new_empty((rows,), dtype=torch.float32)
    deviations = torch.empty_like(means)
    if rows:
        _FORWARD.launch(
            (rows, 1, 1),
            (
                *(*weights[:3], *places.each(), gain, shift, result, means, deviations),
                *(*drop.words(), facts.epsilon),
            ),
            {"WIDTH": width, "BLOCK": row_block(width), "DROPS": drop.rate > 0},
            row_warps(width),
        )
    return result, means, deviations


def embeddings_backward(
    given: Tensor,
    places: Places,
    drop: Dropout,
    kept: tuple[Tensor, Tensor],
    weights: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """Gradients of the weights, each of the size and type of its weight.

    Args:
        given: [T, H], the gradient of the rows.
        places: of the tokens.
        drop: as in the forward pass.
        kept: means and deviations of the forward pass.
        weights: as in `fused_embeddings`.
    """
    words, positions, segments, gain, shift = weights
    rows, width = given.shape
    changes = given.new_empty((rows, width), dtype=torch.float32)
    programs = row_programs(rows, given.device)
    sums = given.new_empty((programs, 4 * width), dtype=torch.float32)
    _BACKWARD.launch(
        (programs, 1, 1),
        (
            *(given, *weights[:3], *places.each(), gain, *kept, changes, sums),
            *(*drop.words(), rows),
        ),
        {"WIDTH": width, "BLOCK": row_block(width), "DROPS": drop.rate > 0},
        2 * row_warps(width),  # it adds up more than a norm's alone
    )
    added = add_groups(sums, torch.float32).view(4, width)
    kinds = len(segments)
    if kinds <= 2:
        to_segments = added[2 : 2 + kinds].to(segments.dtype)
    else:
        to_segments = sums_by_id(changes, places.segments, segments)
    return (
        sums_by_id(changes, places.ids, words),
        sums_by_id(changes, places.positions, positions),
        to_segments,
        added[0].to(gain.dtype),
        added[1].to(shift.dtype),
    )


def sums_by_id(changes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
    """[V, H] like `table`: its rows are the sums of those of `changes` that have their number.

    Rows are added in an order that hangs on the ids alone; rows of no id are 0.

    Args:
        changes: float32[T, H].
        ids: int64[T], below V.
        table: [V, H].
    """
    result = torch.zeros_like(table, memory_format=torch.contiguous_format)
    rows, width = changes.shape
    if not rows:
        return result
    # A sort goes through all bits of a number: the fewer, the faster.
    small = torch.int16 if len(table) <= 1 << 15 else torch.int32
    numbers, order = torch.sort(ids.to(small), stable=True)
    count = -(-rows // PIECE)
    pieces = changes.new_empty((count, 2, width))
    constants = {"WIDTH": width, "BLOCK": _PIECE_BLOCK, "PIECE": PIECE}
    _PIECES.launch(
        (count, -(-width // _PIECE_BLOCK), 1),
        (changes, order, numbers, result, pieces, rows), constants, warps=2,
    )  # fmt: skip
    joined = {"WIDTH": width, "BLOCK": _JOIN_BLOCK, "PIECE": PIECE, "TALL": _JOIN_TALL}
    _JOIN.launch(
        (count, -(-width // _JOIN_BLOCK), 1), (numbers, result, pieces, rows), joined, warps=4
    )
    return result


class _Embeddings(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Places, facts: Facts, *weights: Tensor) -> Tensor:
        # Where nothing is dropped, nothing is drawn: evaluating moves no generator.
        device = weights[0].device
        seed = (
            draw_seeds(1, device)[0]
            if facts.rate > 0
            else torch.empty((4,), dtype=torch.int32, device=device)
        )
        ctx.drop = Dropout(facts.rate, seed)
        result, *kept = embeddings_forward(places, facts, ctx.drop, weights)
        ctx.save_for_backward(*places.each(), *kept, *weights)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: kernels would be constants in it
            raise RuntimeError("embeddings of cuda.fused have no second derivatives; leave it out")
        # Hooks may have sent them away and put them elsewhere.
        saved = [aligned(tensor) for tensor in ctx.saved_tensors]
        places, kept, weights = Places(*saved[:3]), (saved[3], saved[4]), tuple(saved[5:])
        found = embeddings_backward(aligned(gradients[0]), places, ctx.drop, kept, weights)
        return None, None, *found
