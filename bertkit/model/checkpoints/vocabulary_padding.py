"""Pads a vocabulary to a multiple of a number, or cuts the padding off again."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

from bertkit.errors import ConfigError
from bertkit.model.parameter_names import MLM_BIAS, MLM_DECODER, WORD_EMBEDDINGS

# What programs round up to: NVIDIA's and Habana's to 8, Megatron's style to 64.
MULTIPLES = (8, 64)
# A logit so low that its probability is exactly 0 in every float type.
NEVER = -10_000.0


def rounded(size: int, multiple: int) -> int:
    """`size` rounded up to a multiple."""
    return -(-size // multiple) * multiple


def is_rounding(rows: int, size: int) -> bool:
    """Whether `rows` is `size`, or `size` rounded up as programs do."""
    return rows == size or rows in {rounded(size, multiple) for multiple in MULTIPLES}


def resize(tensors: Mapping[str, Tensor], rows: int, bias: float = NEVER) -> dict[str, Tensor]:
    """Tensors with a vocabulary of other size; the first rows stay as they are, bit for bit.

    Args:
        tensors: by our names; word embedding [V, H], masked LM bias [V].
        rows: new V.
        bias: of new tokens; the default keeps every other token's probability, and so
            every loss, exactly as it was. New embeddings are 0.
    """
    changed = dict(tensors)
    for name in (WORD_EMBEDDINGS, MLM_DECODER, MLM_BIAS):
        if name in changed and changed[name].shape[0] != rows:
            old = changed[name]
            more = max(0, rows - old.shape[0])
            if old.dim() == 1:
                grown = functional.pad(old, (0, more), value=bias)
            else:
                grown = functional.pad(old, (0, 0, 0, more))
            changed[name] = grown[:rows].clone()
    return changed


def fitted(tensors: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Tensors for a model of `rows` tokens where the two sizes differ by rounding only.

    Anything else is returned as it is, so that loading says what does not fit.
    """
    have = tensors[WORD_EMBEDDINGS].shape[0] if WORD_EMBEDDINGS in tensors else rows
    if have != rows and (is_rounding(have, rows) or is_rounding(rows, have)):
        return resize(tensors, rows)
    return dict(tensors)


def require_safe_cut(tensors: Mapping[str, Tensor], rows: int, tokens: int) -> None:
    """Refuse to cut off rows that tokens have.

    Args:
        tensors: by our names.
        rows: wanted.
        tokens: in the vocabulary; 0 if unknown, then only roundings may be cut off.

    Raises:
        ConfigError: they are not padding.
    """
    have = tensors[WORD_EMBEDDINGS].shape[0]
    if rows >= have or (tokens and rows >= tokens) or (not tokens and is_rounding(have, rows)):
        return
    reason = (
        f"the vocabulary has {tokens:,} tokens"
        if tokens
        else "that would cut off more than padding"
    )
    raise ConfigError(
        f"{have:,} rows of the word embedding cannot be cut to {rows:,}: {reason}",
        "give --vocab, and a --vocab-size that holds all its tokens",
    )
