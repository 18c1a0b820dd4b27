"""Says how many letters a word may have before it is [UNK]: a fact beside the treatment of text.

Programs have a limit of their own: 200 letters in Google's and Cerebras', 100 in NVIDIA's and
in the `tokenizers` package (`max_input_chars_per_word`). Sequences that are not sentences, such
as DNA, proteins or code, need another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError

FLAG = "--word-length"
NAME = "word_length"
LONGEST = 1 << 20
# Recorded by artefacts of tokens that were made without the flag: each program's own limit.
USUAL = 0
_OWN_LIMITS = (USUAL, 100, 200)  # few words are longer: these are not told apart


def from_settings(values: Mapping[str, Any], where: str) -> int | None:
    """The limit that a mapping of settings records; None where it records none.

    Args:
        values: may have other keys as well.
        where: named in errors.

    Raises:
        ConfigError: not a number of letters.
    """
    value = values.get(NAME)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST:
        raise ConfigError(f"{where}: {NAME} {value!r} is not a number of letters up to {LONGEST:,}")
    return value


def differ(first: int | None, second: int | None) -> bool:
    """Whether two artefacts were made with other limits; False where one does not say."""
    if first is None or second is None or first == second:
        return False
    return not (first in _OWN_LIMITS and second in _OWN_LIMITS)


def in_words(limit: int) -> str:
    """A limit for messages."""
    return f"up to {limit:,} letters" if limit else "up to the usual 100 or 200 letters"


def settled(recorded: int | None, given: int | None, source: str) -> int | None:
    """The limit: what is recorded, else the flag, else None: the tokenizer's own.

    Args:
        recorded: by the artefact that decides.
        given: by the user's flag; None where there is none.
        source: the artefact, for messages.

    Raises:
        ConfigError: the flag contradicts what is recorded.
    """
    if given is not None and differ(recorded, given):
        assert recorded is not None
        raise ConfigError(
            f"{FLAG} {given} contradicts {source}: its words have {in_words(recorded)}",
            "leave the flag out: it is a property of the vocabulary",
        )
    return recorded or given
