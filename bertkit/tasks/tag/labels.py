"""Settles the scheme and the labels of tags, and refuses tags that do not belong to them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bertkit.errors import DataError
from bertkit.tasks.tag.schemes import AUTO, NONE, SCHEMES, is_tag, scheme_of
from bertkit.tasks.tag.sentence import Sentence

_SHOWN = 8
_OF_A_SCHEME = re.compile(r"O|[BIESLUM]-.+")


def settled_scheme(sentences: Sequence[Sentence], asked: str) -> str:
    """The scheme of tags: the one asked for, or the one that explains them.

    Args:
        sentences: with tags.
        asked: of `--tag-scheme`.

    Raises:
        DataError: a tag that the scheme, or among tags of a scheme no scheme at all, explains;
            names file and line.
    """
    if asked == NONE:
        return NONE
    tags = {tag for sentence in sentences for tag in sentence.tags or ()}
    name = scheme_of([sentence.tags or () for sentence in sentences]) if asked == AUTO else asked
    if name == NONE and not any(map(_OF_A_SCHEME.fullmatch, tags)):
        return NONE
    # Of several schemes that do not do, the one with the fewest tags left over. One that has all
    # the letters and yet explains no entities is not meant.
    tries = SCHEMES if name == NONE else (name,)
    each = [[tag for tag in tags if not _explains(scheme, tag)] for scheme in tries]
    left = min((found for found in each if found), key=len, default=[])
    if left:
        which = "no tag scheme explains" if name == NONE else f"the scheme {name} does not explain"
        raise DataError(
            f"{_first_place(sentences, left)} {which}",
            f"schemes: {', '.join(SCHEMES)}; --tag-scheme none takes every tag as a label of its"
            " own",
        )
    return name


def _explains(scheme: str, tag: str) -> bool:
    return is_tag(tag) and tag[0] in SCHEMES[scheme].letters


def require_known(sentences: Sequence[Sentence], labels: Collection[str]) -> None:
    """Refuse a tag that the model has not learnt.

    Raises:
        DataError: names file and line.
    """
    unknown = {tag for sentence in sentences for tag in sentence.tags or ()}.difference(labels)
    if unknown:
        known = ", ".join(list(labels)[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
        raise DataError(
            f"{_first_place(sentences, unknown)} is not known",
            f"labels of the training: {known}; see --labels",
        )


def require_named(labels: Sequence[str], path: str) -> None:
    """Refuse labels of which one has no name.

    Args:
        labels: in their order.
        path: of the file that notes them.

    Raises:
        DataError: names its number.
    """
    if "" in labels:
        raise DataError(
            f"{path}: label {list(labels).index('')} has no name",
            "name all of them in their order: --labels",
        )


def require_several(tags: Collection[str], path: str) -> None:
    """Refuse a file whose words have one tag only.

    Args:
        tags: all different ones.
        path: of the file.

    Raises:
        DataError: names the file.
    """
    if len(tags) < 2:
        raise DataError(
            f"{path}: all words have the tag {', '.join(tags)}",
            "there is nothing to tell apart: see --tag-column for the column of the tags",
        )


def _first_place(sentences: Sequence[Sentence], tags: Collection[str]) -> str:
    """Where one of some tags is met first, and which."""
    return next(
        f"{sentence.place(number)}: the tag {tag!r}"
        for sentence in sentences
        for number, tag in enumerate(sentence.tags or ())
        if tag in tags
    )
