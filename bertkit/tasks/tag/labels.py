"""Settles the scheme and the labels of tags, and refuses tags that do not belong to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from bertkit.errors import ConfigError, DataError
from bertkit.files import names_in_list
from bertkit.tasks.tag.schemes import AUTO, NONE, SCHEMES, is_tag, scheme_of
from bertkit.tasks.tag.sentence import Sentence

_SHOWN = 8
_OF_A_SCHEME = re.compile(r"O|[BIESLUM]-.+")


def given_labels(words: Sequence[str]) -> list[str]:
    """The labels of `--labels`, from the command line or a file.

    Raises:
        ConfigError: one of them twice, or only one.
    """
    names: list[str] = []
    for word in words:
        names += names_in_list(word[1:]) if word.startswith("@") else [word]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"--labels has {twice[0]!r} twice")
    if len(names) == 1:
        raise ConfigError(f"--labels has one label only: {names[0]!r}")
    return names


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
    # Of several schemes that do not do, the one with the fewest tags left over.
    tries = SCHEMES if name == NONE else (name,)
    left = min(([tag for tag in tags if not _explains(scheme, tag)] for scheme in tries), key=len)
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


def require_several(labels: Sequence[str], path: str) -> None:
    """Refuse a file whose words have one tag only.

    Raises:
        DataError: names the file.
    """
    if len(labels) < 2:
        raise DataError(
            f"{path}: all words have the tag {labels[0]}",
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
