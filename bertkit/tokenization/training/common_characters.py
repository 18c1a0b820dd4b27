"""Names the characters that text of a script with thousands of them will need sooner or later.

A small Chinese, Japanese or Korean text lacks many characters of the language. Where a
vocabulary has room left, it takes the common ones of the national standard that fits the text:
JIS X 0208 (level 1), GB 2312 (level 1), Big5 (level 1), the Hangul syllables of KS X 1001.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bertkit.tokenization.wordpiece import is_cjk

# A script counts as the text's own from this share of its characters on.
_OWN = 0.01
_KANA = range(0x3041, 0x30FF)
_HANGUL = range(0xAC00, 0xD7A4)


@dataclass(frozen=True)
class _Standard:
    """Rows of two-byte characters of one of Python's codecs."""

    codec: str
    rows: range
    cells: tuple[range, ...]

    def characters(self) -> list[str]:
        """The characters of these rows; cells without one are left out."""
        blobs = (
            bytes((row, cell)).decode(self.codec, errors="ignore")
            for row in self.rows
            for cells in self.cells
            for cell in cells
        )
        return [text for text in blobs if len(text) == 1 and text not in "\ufffd"]


_EUC = (range(0xA1, 0xFF),)
_JAPANESE = _Standard("euc_jp", range(0xB0, 0xD0), _EUC)
_SIMPLIFIED = _Standard("gb2312", range(0xB0, 0xD8), _EUC)
_TRADITIONAL = _Standard("big5", range(0xA4, 0xC7), (range(0x40, 0x7F), range(0xA1, 0xFF)))
_KOREAN = _Standard("euc_kr", range(0xB0, 0xC9), _EUC)


def common_characters(counts: Mapping[str, int]) -> list[str]:
    """Common characters of the scripts that a text is written in, in a fixed order.

    Args:
        counts: occurrences of each character of the text.
    """
    total = max(1, sum(counts.values()))
    han = {c: n for c, n in counts.items() if is_cjk(c)}
    kana = sum(n for c, n in counts.items() if ord(c) in _KANA)
    hangul = sum(n for c, n in counts.items() if ord(c) in _HANGUL)
    found: list[str] = []
    if kana >= _OWN * total:
        found += [chr(code) for code in (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC)]
    if sum(han.values()) >= _OWN * total:
        found += _of_han(han, japanese=kana >= _OWN * total)
    if hangul >= _OWN * total:
        found += _KOREAN.characters()
    return [c for c in dict.fromkeys(found) if is_cjk(c) or c.isalpha()]


def _of_han(counts: Mapping[str, int], japanese: bool) -> list[str]:
    """The standard that has most of the ideographs."""
    if japanese:
        return _JAPANESE.characters()
    choices = [standard.characters() for standard in (_SIMPLIFIED, _TRADITIONAL)]
    return max(choices, key=lambda characters: _covered(counts, characters))


def _covered(counts: Mapping[str, int], characters: Iterable[str]) -> int:
    return sum(counts.get(character, 0) for character in characters)
