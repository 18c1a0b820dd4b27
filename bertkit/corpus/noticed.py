"""Counts what readers notice in a corpus, such as templates that no table knows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from bertkit.corpus.document import Noticed

UNKNOWN_TEMPLATE = "unknown template"
WIKI = "wiki"
# The form of a member of an archive.
MEMBER = "member"
# So many names are counted, and so many of them, the most frequent ones, kept at the end.
COUNTED = 50_000
KEPT = 1_000
# kind → name → [count, an example]
Tally = dict[str, dict[str, list[Any]]]


def count(tally: Tally, found: Noticed) -> None:
    """Count one thing; of its examples the first in alphabetical order is kept."""
    _add(tally, found.kind, found.name, 1, found.example)


def merge(tally: Tally, other: Mapping[str, Mapping[str, list[Any]]]) -> None:
    """Add the counts of another tally; the result does not depend on the order of merging."""
    for kind, names in other.items():
        for name, (number, example) in names.items():
            _add(tally, kind, name, number, example)


def _add(tally: Tally, kind: str, name: str, number: int, example: str) -> None:
    names = tally.setdefault(kind, {})
    entry = names.get(name)
    if entry is not None:
        entry[0] += number
        entry[1] = min(entry[1], example)
    elif len(names) < COUNTED:
        names[name] = [number, example]


def most_frequent(tally: Tally, limit: int = KEPT) -> Tally:
    """The most frequent names of each kind, in that order, names of one count by alphabet."""
    return {
        kind: dict(sorted(names.items(), key=lambda item: (-item[1][0], item[0]))[:limit])
        for kind, names in sorted(tally.items())
    }


def total(tally: Mapping[str, Mapping[str, list[Any]]], kind: str) -> int:
    """How often something of a kind was noticed."""
    return sum(int(entry[0]) for entry in tally.get(kind, {}).values())


def names(tally: Mapping[str, Mapping[str, list[Any]]], kind: str) -> dict[str, int]:
    """Name → how often, of a kind."""
    return {name: int(entry[0]) for name, entry in tally.get(kind, {}).items()}


def table(tally: Mapping[str, Mapping[str, list[Any]]], kind: str) -> str:
    """Names of a kind with counts and examples as tab-separated lines, under a header."""
    out = io.StringIO()
    writer = csv.writer(out, dialect="excel-tab", lineterminator="\n")
    writer.writerow(["count", "name", "example"])
    for name, (number, example) in tally.get(kind, {}).items():
        writer.writerow([number, name, example])
    return out.getvalue()
