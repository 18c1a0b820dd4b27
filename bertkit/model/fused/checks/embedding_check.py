"""Checks on a device that the kernels of embeddings give the right numbers.

As `layer_check` does for those of layers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import Embeddings, TokenBatch
from bertkit.model.fused import embeddings as calls
from bertkit.model.fused.checks.reference import dropped
from bertkit.model.fused.dispatch import run_fused_embeddings
from bertkit.model.fused.random_bits import draw_seeds

LONGEST = 100  # pieces, that the rows of one word fill: of [MASK] there are thousands
SINGLE = 300  # words that occur once
# How far gradients may be off, relative to themselves and to the length of their row: all are
# sums in float32. One row left out of the longest sum is a hundredth.
_GRADIENT = 1e-4
_SEED = 31

_TABLES = ("word embeddings", "position embeddings", "segment embeddings")
Results = dict[str, Tensor]


def what_is_wrong(embeddings: Embeddings, kind: torch.dtype) -> str | None:
    """The first thing that is not as it should be, in words; None: all is right.

    Args:
        embeddings: float32, on the device; their sizes and rate count, their weights are
            drawn anew.
        kind: half precision, of the rows they give.
    """
    tokens = _drawn(embeddings)
    _draw_weights(embeddings, tokens)
    generator = torch.Generator().manual_seed(_SEED)
    given = torch.randn(len(tokens.ids), embeddings.LayerNorm.weight.numel(), generator=generator)
    given = given.to(tokens.ids.device, kind)
    for training in (False, True):
        embeddings.train(training)
        exact = _by_operators(embeddings, tokens, given)
        found, again = (_by_kernels(embeddings, tokens, given) for _ in range(2))
        if wrong := _compared(exact, found, again, kind, "with dropout " if training else ""):
            return wrong
    return None


def _compared(
    exact: Results, found: Results, again: Results, kind: torch.dtype, when: str
) -> str | None:
    for name, right in exact.items():
        limit = _GRADIENT if "gradient" in name else 2 * torch.finfo(kind).eps
        distance = float(_distance(found[name], right))
        if not distance <= limit:  # also where it is not a number
            off = f"{distance:.2g} off, relative to its size (at most {limit:.2g})"
            return f"{name} {when}is {off}"
    for name, values in found.items():
        if name not in exact and values.any():
            return f"{name} {when}is not 0"
        if not torch.equal(values, again[name]):
            return f"{name} {when}is another one when it is computed again"
    return None


def _distance(found: Tensor, right: Tensor) -> Tensor:
    """The largest, relative to a number and the mean size of those in its row."""
    size = right.square().mean(-1, keepdim=True).sqrt()
    return ((found.double() - right).abs() / (right.abs() + size)).max()


def _drawn(embeddings: Embeddings) -> TokenBatch:
    """Tokens of which words occur never, once, as often as pieces have rows, and very often.

    In the order of their numbers they end where pieces do, within them, and go on over several.
    """
    piece, (words, places, kinds) = calls.PIECE, (len(table) for table in embeddings.tables())
    part = piece // 4
    counts = [1, piece - 1, piece, 2 * piece, piece + part, piece - part]
    counts += [LONGEST * piece + 5, 2, *[1] * SINGLE]
    # The first and the last word of the vocabulary occur, and some between them do not.
    some = max(1, min(len(counts), words - 2))
    numbers = torch.linspace(0, words - 1, some, dtype=torch.float64).round().long()
    ids = numbers.repeat_interleave(torch.tensor(counts[:some]))
    generator = torch.Generator().manual_seed(_SEED)
    ids = ids[torch.randperm(len(ids), generator=generator)]
    positions = torch.arange(len(ids)) % places
    positions[len(ids) // 2 :] %= -(-places // 3)  # the first ones occur more often
    segments = torch.randint(0, kinds, ids.shape, generator=generator)
    layout = UnpaddedLayout([len(ids)])
    device = embeddings.LayerNorm.weight.device
    return TokenBatch(ids, segments, positions, torch.zeros(1).long(), layout).to(device)


def _draw_weights(embeddings: Embeddings, tokens: TokenBatch) -> None:
    """Such that every part shows; rows that nobody may read are not a number."""
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for table, ids in zip(embeddings.tables(), _places(tokens), strict=True):
            used = torch.unique(ids)
            drawn = torch.randn(len(used), table.shape[1], generator=generator)
            table.fill_(torch.nan)[used] = drawn.to(table.device)
        norm = embeddings.LayerNorm
        for weight, mean in ((norm.weight, 1.0), (norm.bias, 0.0)):
            weight.copy_(mean + 0.3 * torch.randn(weight.shape, generator=generator))


def _by_operators(embeddings: Embeddings, tokens: TokenBatch, given: Tensor) -> Results:
    """In float64, with no more of the tables than occurs."""
    torch.manual_seed(_SEED)
    seed = draw_seeds(1, given.device)[0]
    norm = embeddings.LayerNorm
    wanted, rows = [], torch.zeros(given.shape, dtype=torch.float64, device=given.device)
    for table, ids in zip(embeddings.tables(), _places(tokens), strict=True):
        used, where = torch.unique(ids, return_inverse=True)
        wanted.append(table.detach()[used].double().requires_grad_())
        rows = rows + wanted[-1][where]
    gain, shift = (item.detach().double().requires_grad_() for item in (norm.weight, norm.bias))
    wanted += [gain, shift]
    rows = functional.layer_norm(rows, rows.shape[1:], gain, shift, norm.eps)
    lines, columns = (torch.arange(size, device=rows.device) for size in rows.shape)
    rate = embeddings.rate if embeddings.training else 0.0
    rows = dropped(rows, lines, columns, rate, seed)
    gradients = torch.autograd.grad(rows, wanted, given.double())
    names = (*_TABLES, "embeddings' gain", "embeddings' shift")
    named = zip(names, gradients, strict=True)
    return {"rows of embeddings": rows.detach()} | {_gradient(name): one for name, one in named}


def _by_kernels(embeddings: Embeddings, tokens: TokenBatch, given: Tensor) -> Results:
    """Under the same names; and what tables have that do not occur."""
    torch.manual_seed(_SEED)
    rows = run_fused_embeddings(embeddings, tokens, given.dtype)
    norm = embeddings.LayerNorm
    weights = [*embeddings.tables(), norm.weight, norm.bias]
    *tables, gain, shift = torch.autograd.grad(rows, weights, given)
    found = {"rows of embeddings": rows.detach()}
    for name, gradient, ids in zip(_TABLES, tables, _places(tokens), strict=True):
        used = torch.unique(ids)
        found[_gradient(name)] = gradient[used]
        gradient[used] = 0.0
        found[f"{_gradient(name)} that do not occur"] = gradient
    return found | {_gradient("embeddings' gain"): gain, _gradient("embeddings' shift"): shift}


def _gradient(name: str) -> str:
    return f"the gradient of {name}"


def _places(tokens: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
    return tokens.ids, tokens.positions, tokens.segments
