"""A text for goldens that every clone can make: the same bytes on every machine and Python.

Sentences of words from the vocabulary that ships with bertkit, with hard cases between them.
The random numbers are Lehmer's (Park and Miller, "Random number generators: good ones are hard
to find", 1988), computed here, so that no library can change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

SHA256 = "58f23de687c358dea1da96a0d3e3892dac43cf875c0c7d896e9ac720e5846dcd"
DOCUMENTS = 400

# What a tokenizer can get wrong: accents, composed and not; ligatures; letters that grow when
# lowered; scripts with and without spaces; code points that look like spaces or are dropped;
# literal special tokens; punctuation within words; words at the limits of length; NUL.
ACCENTS = ("café", "naïve", "Über", "straße", "ﬁrst", "İstanbul", "e\u0301t\u00e9")
SCRIPTS = ("中文字", "日本", "한국어", "Москва", "Σίσυφος", "مرحبا")
INVISIBLE = ("a\u200bb", "a\u00a0b", "x\u2028y", "a\u00adb", "bell\x07s", "tab\there")
SPECIAL = ("[MASK]", "[CLS]", "[UNK]")
PUNCTUATED = ("don't", "e-mail", "3.14", "$5,000", "“quoted”", "…", "–")
LONG = ("x" * 100, "y" * 101, "z" * 200, "w" * 201)
STRANGE = ("\ufffd", "\x00null", "HTTP://A.B/c?d=e")
HARD = ACCENTS + SCRIPTS + INVISIBLE + SPECIAL + PUNCTUATED + LONG + STRANGE


def make_text(tokens: Sequence[str]) -> bytes:
    """One sentence a line, documents separated by a blank line (some of them not quite blank).

    Args:
        tokens: the vocabulary, in its order.
    """
    numbers = lehmer(12345)
    words = [token for token in tokens if len(token) > 1 and _is_plain(token)]
    pieces = [token[2:] for token in tokens if token.startswith("##") and _is_plain(token[2:])]
    lines = [line for _ in range(DOCUMENTS) for line in _document(numbers, words, pieces)]
    return "".join(f"{line}\n" for line in lines).encode()


def write_text(path: Path, tokens: Sequence[str]) -> Path:
    """Write the text to a file."""
    path.write_bytes(make_text(tokens))
    return path


def lehmer(state: int) -> Iterator[int]:
    """Endless random numbers from 1 to 2**31 - 2."""
    while True:
        state = 48271 * state % (2**31 - 1)
        yield state


def _is_plain(word: str) -> bool:
    return word.isascii() and word.isalpha()


def _document(numbers: Iterator[int], words: Sequence[str], pieces: Sequence[str]) -> Iterator[str]:
    """1 to 27 sentences, many of them one alone, and the line that ends the document."""
    few, many = next(numbers) % 3, next(numbers) % 14
    for _ in range(1 + few * many):
        short, times = next(numbers) % 9, next(numbers) % 5
        length = 2 + short * (1 + times)
        sentence = " ".join([_word(numbers, words, pieces) for _ in range(length)])
        yield sentence + ".!?"[next(numbers) % 3]
    yield "" if next(numbers) % 20 else " \t"


def _word(numbers: Iterator[int], words: Sequence[str], pieces: Sequence[str]) -> str:
    """A word: 4 % hard, 12 % of two parts (often no token), 6 % capitalised, else plain."""
    kind = next(numbers) % 100
    if kind < 4:
        word = HARD[next(numbers) % len(HARD)]
    else:
        word = words[next(numbers) % len(words)]
        if kind < 16:
            word += pieces[next(numbers) % len(pieces)]
        elif kind < 22:
            word = word.capitalize()
    return word if next(numbers) % 12 else word + ","
