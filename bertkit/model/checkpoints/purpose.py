"""Tells from a checkpoint's heads what a model was trained for, for messages that refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bertkit.model.model_types import LABEL_HEAD, PAIR_HEAD, POOLER, SPAN_HEAD, WORD_HEAD


@dataclass(frozen=True)
class Purpose:
    """What a model was trained for.

    Attributes:
        prefix: of the parameters of the head that tells it.
        words: follow `a model`.
        hint: what to do with it, where another model is needed.
    """

    prefix: str
    words: str
    hint: str


_PURPOSES = (
    Purpose(
        SPAN_HEAD,
        "fine-tuned for question answering",
        "`bertkit predict` and `bertkit finetune-squad` use it; here give a run of"
        " `bertkit pretrain`, or its checkpoint",
    ),
    Purpose(
        LABEL_HEAD,
        "fine-tuned to label",
        "`bertkit predict` and `bertkit finetune` use it; here give a run of `bertkit pretrain`,"
        " or its checkpoint",
    ),
    Purpose(
        WORD_HEAD,
        "for masked words, not fine-tuned",
        "fine-tune it first, with `bertkit finetune` or `bertkit finetune-squad`",
    ),
)


def purpose_of(names: Iterable[str]) -> Purpose | None:
    """What a model with parameters of these names is for; None for an encoder without a head."""
    known = list(names)
    for purpose in _PURPOSES:
        if any(name.startswith(purpose.prefix) for name in known):
            return purpose
    return None


_HEADS = {
    WORD_HEAD: "masked LM head",
    PAIR_HEAD: "next sentence head",
    SPAN_HEAD: "span head",
    LABEL_HEAD: "head for labels",
    POOLER: "pooler",
}


def head_of(names: Sequence[str]) -> str:
    """The part of a model that parameters belong to, in words; the first name where none is known.

    Of several parts the most telling one, in the order of `_HEADS`.
    """
    for prefix, words in _HEADS.items():
        if any(name.startswith(prefix) for name in names):
            return words
    return names[0]
