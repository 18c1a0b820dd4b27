"""Choosing the tokens that masked language modelling predicts.

Devlin et al. 2019, section 3.1; draws from the random stream in the order of Google's
and MLPerf's `create_pretraining_data.py`, so that equal seeds give equal masks.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from bertkit.records.instances.pairs import predictions_for
from bertkit.tokenization.vocabulary import CLS, MASK, SEP


class Masked(NamedTuple):
    """A masked sequence: its tokens, and what stood where, in order of position."""

    tokens: list[str]
    positions: list[int]
    labels: list[str]


def mask_tokens(
    tokens: Sequence[str],
    probability: float,
    maximum: int,
    draw_from: Sequence[str],
    rng: random.Random,
    whole_words: bool = False,
    never: Collection[str] = (CLS, SEP),
) -> Masked:
    """Mask a sequence: 80 % [MASK], 10 % unchanged, 10 % any token of the vocabulary.

    Args:
        tokens: the sequence, [CLS] and [SEP] included.
        probability: share of tokens to predict.
        maximum: most tokens to predict.
        draw_from: tokens in vocabulary order; special ones can be drawn too.
        rng: the stream. One shuffle of all candidates; then for each chosen token one or
            two `random()` and perhaps one `randint`.
        whole_words: choose all pieces of a word or none. A word that would exceed the
            number is passed over.
        never: tokens that are never chosen.
    """
    groups = candidate_groups(tokens, whole_words, never)
    rng.shuffle(groups)
    wanted = predictions_for(len(tokens), probability, maximum)
    masked = list(tokens)
    chosen: list[int] = []
    for group in groups:
        if len(chosen) >= wanted:
            break
        if len(chosen) + len(group) > wanted:
            continue
        for position in group:
            masked[position] = _replacement(tokens[position], draw_from, rng)
            chosen.append(position)
    chosen.sort()
    return Masked(masked, chosen, [tokens[position] for position in chosen])


def candidate_groups(
    tokens: Sequence[str], whole_words: bool, never: Collection[str] = (CLS, SEP)
) -> list[list[int]]:
    """Positions that are masked together: one each, or with `whole_words` a word's pieces.

    A "##" piece joins the group before it even across a [SEP], where truncation has cut
    off the head of its word; the original does so.
    """
    groups: list[list[int]] = []
    for position, token in enumerate(tokens):
        if token in never:
            continue
        if whole_words and groups and token.startswith("##"):
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def _replacement(token: str, draw_from: Sequence[str], rng: random.Random) -> str:
    if rng.random() < 0.8:
        return MASK
    if rng.random() < 0.5:
        return token
    return draw_from[rng.randint(0, len(draw_from) - 1)]
