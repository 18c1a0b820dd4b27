"""Compiles the patterns of the tables of templates.

A pattern is text with fields: `{1}` is the first argument, `{u}` the one named u, `{2|1}`
the first of these that is not empty, `{-1}` the last positional one, `{*}` all positional
ones, `{2*, }` those from the second on with `, ` between them. `{1@month}` is the month of
that number, `{1@roman}` a Roman number. A part in `[ ]` goes where a field in it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from bertkit.corpus.forms.mediawiki.templates.dates import month_name, small_number

Handler = Callable[[Mapping[str, str]], str]

_PIECES = re.compile(r"(\[[^\]]*\]|\{[^{}]*\})")
_ALL = re.compile(r"(\d*)\*(.*)", re.DOTALL)
_ROMAN = dict(
    zip(
        ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"],
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        strict=True,
    )
)


def arguments(parts: Sequence[str]) -> dict[str, str]:
    """The arguments of a template by name; those without one are named 1, 2 and so on.

    Args:
        parts: what stands between the bars, after the name.
    """
    values: dict[str, str] = {}
    count = 0
    for part in parts:
        name, equals, value = part.partition("=")
        if equals:
            values[name.strip()] = value.strip()
        else:
            count += 1
            values[str(count)] = part.strip()
    return values


def positional(values: Mapping[str, str]) -> list[str]:
    """The arguments 1, 2 and so on, as far as they go without a gap."""
    found: list[str] = []
    while (value := values.get(str(len(found) + 1))) is not None:
        found.append(value)
    return found


def roman(number: str) -> str:
    """A number from 1 to 3999 in Roman numerals; anything else as it is."""
    left, out = small_number(number, 4), ""
    if not 0 < left < 4000:
        return number
    for letters, value in _ROMAN.items():
        count, left = divmod(left, value)
        out += letters * count
    return out


def compiled(pattern: str, language: str) -> Handler:
    """A function from the arguments of a template to its words."""
    if pattern == "{1}":  # by far the most frequent
        return lambda values: values.get("1", "")
    given = [piece for piece in _PIECES.split(pattern) if piece]
    pieces = [_piece(piece, language) for piece in given]
    if len(pieces) == 1:
        return pieces[0]
    # Text around fields that are all empty says nothing.
    fields = [found for piece, found in zip(given, pieces, strict=True) if piece[0] in "{["]

    def words(values: Mapping[str, str]) -> str:
        if not any(field(values) for field in fields):
            return ""
        return "".join([piece(values) for piece in pieces])

    return words


def _piece(piece: str, language: str) -> Handler:
    if piece.startswith("["):
        inner = [_piece(part, language) for part in _PIECES.split(piece[1:-1]) if part]

        def optional(values: Mapping[str, str]) -> str:
            found = [part(values) for part in inner]
            return "".join(found) if all(found) else ""

        return optional
    if piece.startswith("{"):
        return _field(piece[1:-1], language)
    return lambda values: piece


def _field(field: str, language: str) -> Handler:
    field, _, change = field.partition("@")
    if every := _ALL.fullmatch(field):
        first, between = int(every[1] or 1), every[2]
        return lambda values: between.join(filter(None, positional(values)[first - 1 :]))
    names = field.split("|")

    def value_of(values: Mapping[str, str]) -> str:
        for name in names:
            if name == "-1":
                last = positional(values)[-1:]
                value = last[0] if last else ""
            else:
                value = values.get(name, "")
            if value:
                return changed(value)
        return ""

    changed: Callable[[str], str] = {
        "": lambda value: value,
        "month": lambda value: month_name(value, language),
        "roman": roman,
    }[change]
    return value_of
