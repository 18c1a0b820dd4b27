"""Says which letters of a text are lost or changed where accents are stripped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bertkit.summary.scripts import script_of, stripped_letters
from bertkit.tokenization.wordpiece import strip_accents

# Above this share of the letters something is said.
_MANY = 0.001
_NAMED = 4


def remarks(characters: Mapping[int, int]) -> list[str]:
    """What stripping accents does to a text in lower case, where that is more than a little.

    Args:
        characters: code point → how often it is in the text.
    """
    lost: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    letters = 1
    for code, count in characters.items():
        character = chr(code)
        letters += count if script_of(character) else 0
        if script := stripped_letters(character):
            lost[script] += count
        elif script_of(character) and strip_accents(small := character.lower()) not in ("", small):
            changed[small] += count
    said = []
    if lost.total() > _MANY * letters:
        said.append(
            f"stripping accents removes {lost.total() / letters:.1%} of the letters: vowel signs "
            f"and marks of {', '.join(_ranked(lost))}, which are letters there; give --cased, or "
            "--keep-accents with lower case"
        )
    if changed.total() > _MANY * letters:
        often = _ranked(changed)[:_NAMED]
        said.append(
            f"stripping accents changes {changed.total() / letters:.1%} of the letters: "
            f"{' '.join(often)} become {' '.join(map(strip_accents, often))}; give --keep-accents, "
            "or --cased, where these are different letters"
        )
    return said


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))
