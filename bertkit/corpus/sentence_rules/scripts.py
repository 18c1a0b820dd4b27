"""Tells in which script a text is written, from a sample of its letters."""

from __future__ import annotations

from collections import Counter

from bertkit.summary.scripts import script_of

# Letters that are looked at; a text in two scripts may begin with a quotation.
SAMPLE = 1000
_JAPANESE = ("Hiragana", "Katakana")
# Japanese mixes Han with kana: so much of them makes it Japanese.
_KANA = 0.05


def main_script(text: str) -> str:
    """The script that most letters at the beginning of a text belong to.

    Returns:
        A name as `script_of` gives it; `Kana` for Japanese, also where most of it is
        Han. Empty for a text without letters.
    """
    sample = text[:SAMPLE]
    if sample.isascii():
        return "Latin" if any(map(str.isalpha, sample)) else ""
    found: Counter[str] = Counter()
    for character, count in Counter(sample).items():
        if character.isalpha() and (script := script_of(character)):
            found["Kana" if script in _JAPANESE else script] += count
    if found["Kana"] and found["Kana"] >= _KANA * (found["Kana"] + found["Han"]):
        found["Kana"] += found.pop("Han", 0)
    return max(found, key=lambda name: (found[name], name), default="") if found.total() else ""
