"""Finds the entities that the tags of a sentence name, in every scheme of tags.

A tag is `O`, or a letter that says where in its entity the word stands and, after a hyphen, the
type of the entity. Tags that are no such thing (parts of speech) make no entities; the scheme of
a file of them is `none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

Tags = Sequence[str]
# (type, first word, last word)
Entity = tuple[str, int, int]

AUTO, NONE = "auto", "none"
OUTSIDE = "O"
_TAG = re.compile(r"O|[BIESLUM](?:-.+)?")
# What single letters mean, under those of BIOES.
_LETTERS = str.maketrans("LUM", "ESI")
# Sequences of letters at which an entity ends or starts, whatever the types are; `?` is any.
_ENDS = "E? S? BB BS BO IB IS IO"
_STARTS = "?B ?S EE EI SE SI OE OI"


@dataclass(frozen=True)
class Scheme:
    """A tag scheme, and what it takes to be an entity when it is taken at its word.

    Two letters are those of neighbouring words; `=` after them: of one type, `!`: of different
    types, `?` is any letter. The rules are those of seqeval's strict mode.

    Attributes:
        letters: that it has.
        start: neighbours at whose second an entity starts.
        inside: neighbours that are of one entity.
        end: neighbours at whose first an entity ends; one that comes to no end is none.
    """

    letters: str
    start: str
    inside: str
    end: str


_UP_TO_END = "BI= BE= II= IE="
SCHEMES = {
    "bio": Scheme("BIO", "?B", "BI= II=", "IO II! IB BO BI! BB"),
    "iob1": Scheme("BIO", "OI II! BI IB= BB=", "BI= II=", "II! IO IB BO BI! BB="),
    "bioes": Scheme("BIOES", "?B ?S", _UP_TO_END, "S? E?"),
    "bilou": Scheme("BILOU", "?B ?S", _UP_TO_END, "S? E?"),
    "bmes": Scheme("BMOES", "?B ?S", _UP_TO_END, "S? E?"),
    "ioe1": Scheme("IOE", "OI II! EI EE=", "II= IE=", "II! IO IE! EI= EE="),
    "ioe2": Scheme("IOE", "OI OE EI EE II! IE!", "IE= II=", "E?"),
}


_OF_MORE_LETTERS = ("bioes", "bilou", "bmes")


def is_tag(tag: str) -> bool:
    """Whether it is of the form that all schemes have."""
    return _TAG.fullmatch(tag) is not None


def scheme_of(sentences: Iterable[Tags]) -> str:
    """The scheme that explains all tags: the first of the table, or `none`.

    BIO and IOB1, which have the same letters, and IOE1 and IOE2, are told apart by their use.
    """
    kept = list(sentences)
    tags = {tag for sentence in kept for tag in sentence}
    if not all(map(is_tag, tags)):
        return NONE
    letters = {tag[0] for tag in tags}
    found = [name for name, scheme in SCHEMES.items() if letters <= set(scheme.letters)]
    losses = {name: _unexplained(kept, name) for name in found}
    best = min(found, key=losses.__getitem__, default=NONE)
    # One stray letter does not make another scheme of a file: its entities must keep to it.
    if best in _OF_MORE_LETTERS and 2 * losses[best] > sum(map(len, map(entities, kept))):
        return NONE
    return best


def _unexplained(sentences: Iterable[Tags], name: str) -> int:
    """Entities that the scheme's own rules do not find, or find otherwise."""
    return sum(
        len(set(entities(tags)) ^ set(strict_entities(tags, SCHEMES[name]))) for tags in sentences
    )


def entities(tags: Tags) -> list[Entity]:
    """The entities of one sentence in any scheme, broken ones as far as they go.

    The rules are those of CoNLL's conlleval and of seqeval: an entity also starts where a type
    does, so that `I-PER` after `O` is one. `L`, `U` and `M`, which both do not know, count as
    `E`, `S` and `I`. conlleval knows BIO, IOB1 and IOE: to it `S` says nothing, and `B` after
    `E` begins no entity.
    """
    found: list[Entity] = []
    before, kind, first = OUTSIDE, "_", 0
    for number, tag in enumerate([*tags, OUTSIDE]):
        letter, own = _parts(tag)
        turn = kind != own
        if (turn and before != OUTSIDE) or _follows(before, letter, not turn, _ENDS):
            found.append((kind, first, number - 1))
        if (turn and letter != OUTSIDE) or _follows(before, letter, not turn, _STARTS):
            first = number
        before, kind = letter, own
    return found


def strict_entities(tags: Tags, scheme: Scheme) -> list[Entity]:
    """The entities of one sentence that keep to a scheme, as seqeval's strict mode finds them."""
    parts = [(OUTSIDE, "_"), *map(_parts, tags), (OUTSIDE, "_")]
    found: list[Entity] = []

    def is_as(rules: str) -> bool:
        (before, kind), (letter, own) = parts[number - 1], parts[number]
        return _follows(before, letter, kind == own, rules)

    number = 1
    while number < len(parts):
        first, started = number, is_as(scheme.start)
        number += 1
        while started and number < len(parts) and is_as(scheme.inside):
            number += 1
        if started and number < len(parts) and is_as(scheme.end):
            found.append((parts[first][1], first - 1, number - 2))
    return found


def _parts(tag: str) -> tuple[str, str]:
    """(letter of BIOES, type) of a tag."""
    return tag[0].translate(_LETTERS), tag[1:].split("-", 1)[-1] or "_"


@cache
def _follows(before: str, letter: str, same: bool, rules: str) -> bool:
    """Whether two neighbours, of one type or not, are as one of the rules says."""
    pairs = [f"{a}{b}" for a in (before, "?") for b in (letter, "?")]
    known = rules.split()
    return any(pair in known or f"{pair}{'=' if same else '!'}" in known for pair in pairs)
