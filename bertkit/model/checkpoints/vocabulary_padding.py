"""Pads a vocabulary to a multiple of a number, or cuts the padding off again.

Rows above the number of a vocabulary's tokens are padding; nothing else is. `require_rows`
tells them from new words, which a checkpoint has no weights for: to train such words, give
them rows where it refuses them now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from bertkit.errors import ConfigError
from bertkit.model.parameter_names import MLM_BIAS, MLM_DECODER, WORD_EMBEDDINGS

# What programs round up to: NVIDIA's and Habana's to 8, others to 64 and, as Megatron, to 128.
MULTIPLES = (8, 64, 128)
# And what Graphcore's embeddings need that are computed in 3, 5 or 6 pieces.
_OF_PIECES = (24, 40)
_LISTED = 5
# A logit so low that its probability is exactly 0 in every float type.
NEVER = -10_000.0


def rounded(size: int, multiple: int) -> int:
    """`size` rounded up to a multiple."""
    return -(-size // multiple) * multiple


def is_rounding(rows: int, size: int) -> bool:
    """Whether `rows` is `size`, or `size` rounded up as programs do."""
    return rows == size or rows in {
        rounded(size, multiple) for multiple in (*MULTIPLES, *_OF_PIECES)
    }


def is_padded(rows: int, size: int) -> bool:
    """Whether `rows` is `size` with padding: rounded up as programs do, or as a device needs it.

    Some devices cut the word embedding into parts, and so need a multiple of 8 and of another
    number; less than 128 rows are added for it.
    """
    return is_rounding(rows, size) or (rows % 8 == 0 and 0 < rows - size < MULTIPLES[-1])


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
    if have != rows and (is_rounding(have, rows) or is_padded(rows, have)):
        return resize(tensors, rows)
    return dict(tensors)


@dataclass(frozen=True)
class Rows:
    """The rows of a word embedding, and the tokens that they are for.

    Attributes:
        source: the checkpoint, for messages.
        have: rows in it.
        known: tokens that it has weights for: those of its own vocabulary; 0 if unknown.
        tokens: in the vocabulary it is to be used with; 0 if unknown.
        names: those tokens by number, where they are known.
        vocabulary: what to call that vocabulary in messages.
    """

    source: str
    have: int
    known: int = 0
    tokens: int = 0
    names: Sequence[str] = ()
    vocabulary: str = "the vocabulary"

    @property
    def trained(self) -> int:
        """The tokens that may occur in data: those with weights of their own."""
        return min(self.known or self.have, self.tokens or self.have)

    @property
    def new_words(self) -> range:
        """Numbers of the tokens that the checkpoint has no weights for."""
        return range(self.known or self.have, self.tokens)


def require_rows(found: Rows, rows: int) -> None:
    """Refuse a vocabulary or a number of rows that does not belong to a checkpoint.

    Args:
        found: of the checkpoint and the vocabulary.
        rows: of the model that its weights are for; may differ by padding.

    Raises:
        ConfigError: the vocabulary has words that the checkpoint does not know, named; or is
            another one; or the model's rows are neither those of the checkpoint nor rounded.
    """
    new = found.new_words
    if new:
        names = [repr(found.names[n]) if n < len(found.names) else str(n) for n in new[:_LISTED]]
        more = f" and {len(new) - _LISTED:,} more" if len(new) > _LISTED else ""
        kind = "token" if found.names else "token number"
        raise ConfigError(
            f"{found.vocabulary} has {found.tokens:,} tokens, {found.source} has weights for"
            f" {new.start:,}: {len(new):,} new ({kind} {', '.join(names)}{more})",
            "give the vocabulary that the checkpoint was pretrained with; words cannot be added"
            " to a model yet",
        )
    if found.tokens and not found.known and not is_rounding(found.have, found.tokens):
        raise ConfigError(
            f"{found.vocabulary} has {found.tokens:,} tokens, the word embedding of {found.source}"
            f" {found.have:,} rows",
            "give the vocabulary that the checkpoint was pretrained with",
        )
    least = found.tokens or found.known
    if rows == found.have or (
        rows >= least and (is_padded(rows, found.have) or is_rounding(found.have, rows))
    ):
        return
    raise ConfigError(
        f"model.vocab_size is {rows:,}, the word embedding of {found.source} has"
        f" {found.have:,} rows" + (f" for {least:,} tokens" if least else ""),
        f"leave model.vocab_size out, or round up to a multiple of {_either(MULTIPLES)}",
    )


def _either(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"


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
