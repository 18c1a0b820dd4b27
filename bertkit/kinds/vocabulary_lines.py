"""Tells the lines of a WordPiece vocabulary from text."""

from __future__ import annotations

_SPECIAL = (b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]", b"[MASK]")
_ENOUGH = 3  # of these as lines of their own
_SPACED = 0.05  # a vocabulary has hardly any line with white space in it


def holds_vocabulary(head: bytes) -> bool:
    """Whether the beginning of a file is one token per line, with BERT's special tokens.

    Args:
        head: first bytes; some thousand tokens are enough, the special ones stand among them.
    """
    if b"[" not in head or sum(token in head for token in _SPECIAL) < _ENOUGH:
        return False
    lines = [line.strip() for line in head.split(b"\n")]
    if sum(token in lines for token in _SPECIAL) < _ENOUGH:
        return False
    spaced = sum(len(line.split()) > 1 for line in lines)
    return spaced <= _SPACED * len(lines)
