"""Chooses the characters that a vocabulary keeps: words with any other become [UNK]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.errors import UsageError
from bertkit.tokenization.kernels.characters import kind_and_text
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.training.common_characters import common_characters
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS
from bertkit.tokenization.wordpiece import is_cjk, is_punctuation

COVERAGE = 0.9995
# So many are kept in any case, although fewer cover the text.
AT_LEAST = 1000


@dataclass(frozen=True)
class Wanted:
    """How many characters to keep.

    Attributes:
        count: exactly so many, the most frequent; None: as many as `coverage` needs.
        coverage: share of the characters of the text that must be kept, 0 to 1.
    """

    count: int | None = None
    coverage: float = COVERAGE


@dataclass(frozen=True)
class Alphabet:
    """The characters kept.

    Attributes:
        characters: in the order of Unicode.
        seen: different characters of the text.
        coverage: share of the characters of the text that are kept.
        cut_to_fit: whether the size of the vocabulary left no room for more.
    """

    characters: list[str]
    seen: int
    coverage: float
    cut_to_fit: bool = False

    def tokens(self, split_cjk: bool) -> list[str]:
        """The special tokens, continuing characters and characters, as they are numbered first."""
        starts = [c for c in self.characters if not stands_alone(c, split_cjk)]
        return [*SPECIAL_TOKENS, *(f"##{c}" for c in starts), *self.characters]


def parse_wanted(text: str) -> Wanted:
    """How many characters `--alphabet` asks for: a number, or a share such as `99.99%`.

    Raises:
        UsageError: neither.
    """
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 < share <= 1:
                return Wanted(coverage=share)
        elif int(text) > 0:
            return Wanted(count=int(text))
    except ValueError:
        pass
    raise UsageError(
        f"--alphabet {text}: neither a number of characters nor a share of the text",
        "examples: --alphabet 6000, --alphabet 99.99%",
    )


def choose_alphabet(
    counts: Mapping[str, int], wanted: Wanted, *, size: int, split_cjk: bool
) -> Alphabet:
    """The most frequent characters, as many as are wanted and fit.

    Args:
        counts: occurrences of each character.
        wanted: how many.
        size: of the vocabulary.
        split_cjk: ideographs are words of their own, and need one token instead of two.

    Raises:
        UsageError: the size is too small for them.
    """
    seen = {character: count for character, count in counts.items() if count > 0}
    ranked = sorted(seen, key=lambda character: (-seen[character], character))
    number = _number(ranked, seen, wanted)
    room = size - len(SPECIAL_TOKENS)
    fitting = _fitting(ranked, room, split_cjk)
    least = min(number, AT_LEAST) if wanted.count is None else number
    if fitting < least:
        needed = len(SPECIAL_TOKENS) + sum(map(_costs(split_cjk), ranked[:least]))
        raise UsageError(
            f"--size {size} is too small: the text has {len(ranked)} different characters",
            f"give at least {needed}, or keep fewer characters with --alphabet",
        )
    kept = ranked[: min(number, fitting)]
    total = sum(seen.values())
    return Alphabet(
        characters=sorted(kept),
        seen=len(ranked),
        coverage=sum(seen[character] for character in kept) / max(1, total),
        cut_to_fit=fitting < number,
    )


def fill_up(
    tokens: Sequence[str], counts: Mapping[str, int], size: int, normalisation: Normalisation
) -> list[str]:
    """Tokens for common characters that a text lacks, as far as there is room for them.

    Args:
        tokens: of the vocabulary so far.
        counts: occurrences of each character of the text.
        size: tokens to end with.
        normalisation: what happens to text first; characters that it replaces are left out.
    """
    known = set(tokens)
    added: list[str] = []
    for character in common_characters(counts):
        if kind_and_text(character, normalisation)[1] != character:
            continue
        forms = [character]
        if not stands_alone(character, normalisation.tokenize_chinese_chars):
            forms.append(f"##{character}")
        missing = [form for form in forms if form not in known]
        if len(tokens) + len(added) + len(missing) > size:
            break
        added += missing
    return added


def _number(ranked: list[str], counts: Mapping[str, int], wanted: Wanted) -> int:
    if wanted.count is not None:
        return min(wanted.count, len(ranked))
    if not ranked:
        return 0
    sums = np.cumsum([counts[character] for character in ranked])
    covering = int(np.searchsorted(sums, wanted.coverage * sums[-1], side="left")) + 1
    least = AT_LEAST if wanted.coverage >= COVERAGE else 1
    return min(len(ranked), max(covering, least))


def _fitting(ranked: Iterable[str], room: int, split_cjk: bool) -> int:
    cost = _costs(split_cjk)
    count = 0
    for character in ranked:
        room -= cost(character)
        if room < 0:
            break
        count += 1
    return count


def _costs(split_cjk: bool) -> Callable[[str], int]:
    return lambda character: 1 if stands_alone(character, split_cjk) else 2


def stands_alone(character: str, split_cjk: bool) -> bool:
    """True for characters that are words of their own and never continue one."""
    return is_punctuation(character) or (split_cjk and is_cjk(character))
