"""Counts a little text in readable Python: what the kernel counts, to the last digit.

Loading compiled code takes longer than this for some ten thousand bytes; and the tests hold
the kernel to it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

from bertkit.summary.counts import TextCounts
from bertkit.summary.sketch import of_counts

PART, SPACE, ALONE, MARK = 1, 2, 3, 4
OVERLONG = 2000
_FIRST, _PRIME, _MIX = 0xCBF29CE484222325, 0x100000001B3, 0x9E3779B97F4A7C15
_ALL = (1 << 64) - 1
_IDEOGRAPHS = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")


class _Kinds(dict[str, int]):
    """What each character does, once it was asked for: a text asks for few, very often."""

    def __missing__(self, character: str) -> int:
        self[character] = found = kind_of(character)
        return found


_KINDS = _Kinds()


def kind_of(character: str) -> int:
    """What a character does: part of a word, white space, a word of its own, or a mark."""
    if character.isspace():
        return SPACE
    category = unicodedata.category(character)
    if category == "Lo" and unicodedata.name(character, "").startswith(_IDEOGRAPHS):
        return ALONE
    return PART if category[0] in "LMN" or category in ("Cn", "Co") else MARK


def count_plainly(text: str, level: int = 0) -> TextCounts:
    """The counts of a text, as one file; `level` is that of its sketches."""
    lines: Counter[int] = Counter()
    documents: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    totals = {"sentences": 0, "words": 0, "one_sentence": 0, "empty": 0, "overlong": 0}
    value, held = _FIRST, 0
    # The end of the text ends its document, as a blank line does.
    rows = text.replace("\r", "").split("\n")
    last = len(rows) - 1
    for number, row in enumerate(rows):
        kinds = list(map(_KINDS.__getitem__, row))
        if not row.isspace() and row:
            totals["sentences"] += 1
            before = [0, *kinds]
            totals["words"] += sum(
                kind == ALONE or (kind == PART and previous != PART)
                for previous, kind in zip(before, kinds, strict=False)
            )
            totals["overlong"] += len(row) > OVERLONG
            sizes[len(row).bit_length()] += 1
            key = _hash(row)
            lines[key] += 1
            value = ((value ^ key) * _PRIME) & _ALL
            value ^= value >> 31
            held += 1
        elif number < last and not held:
            totals["empty"] += 1
        if held and (number == last or not row or row.isspace()):
            documents[_finished(value)] += 1
            totals["one_sentence"] += held == 1
            value, held = _FIRST, 0
    return TextCounts(
        bytes=len(text.encode()),
        files=1,
        documents=documents.total(),
        **totals,
        histogram=dict(sizes),
        characters={ord(c): n for c, n in Counter(text).items() if c not in "\r\n"},
        lines=of_counts(lines, level),
        texts=of_counts(documents, level),
    )


def _hash(row: str) -> int:
    value, blob = _FIRST, row.encode()
    for at in range(0, len(blob), 8):
        word = int.from_bytes(blob[at : at + 8], "little")
        value = ((value ^ word) * _MIX) & _ALL
        value ^= value >> 32
    return _finished(value ^ (len(row) * _PRIME) & _ALL)


def _finished(value: int) -> int:
    value ^= value >> 32
    value = (value * _MIX) & _ALL
    return (value ^ value >> 29) | 1
