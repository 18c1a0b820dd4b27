"""Tokenizes text with WordPiece exactly as the original BERT does.

Written from the behaviour of Google's and MLPerf's `tokenization.py` (they agree): text
is cleaned, split at white space and around CJK ideographs, lower-cased and freed of
accents if asked, split at punctuation, and each word cut into the longest pieces that the
vocabulary knows. Character classes are those of the running Python's `unicodedata`.
Lower-casing without removing accents, and CJK ideographs that stay in their words, are
those of transformers' BertTokenizer, which has the same steps.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from bertkit.errors import DataError
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.vocabulary import UNK, Vocab

MAX_WORD_CHARACTERS = 200
_CACHE_LIMIT = 500_000

# Blocks of CJK ideographs; kana and hangul are written as words and stay together.
_CJK_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_whitespace(character: str) -> bool:
    """Space, tab, line ends and the Unicode space separators (category Zs)."""
    return character in " \t\n\r" or unicodedata.category(character) == "Zs"


def is_control(character: str) -> bool:
    """Control and format characters (Cc, Cf), except tab and line ends."""
    return character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cf")


def is_punctuation(character: str) -> bool:
    """Every ASCII character that is no letter, digit or space; elsewhere category P."""
    code = ord(character)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    return unicodedata.category(character).startswith("P")


def is_cjk(character: str) -> bool:
    """True for an ideograph, which is a word of its own."""
    code = ord(character)
    return any(first <= code <= last for first, last in _CJK_BLOCKS)


class WordPieceTokenizer:
    """Cut text into WordPiece tokens of a vocabulary.

    Args:
        vocab: the vocabulary.
        normalisation: what happens to the text first.
        word_length: letters of the longest word that is not [UNK]; None: the program's own limit.

    Other programs' variants (wordpiece_variants.py) replace single steps of it.
    """

    longest_word: int = MAX_WORD_CHARACTERS

    def __init__(
        self,
        vocab: Vocab,
        normalisation: Normalisation = UNCASED,
        word_length: int | None = None,
    ) -> None:
        self.vocab = vocab
        self.longest_word = word_length or type(self).longest_word
        self._longest_piece = max(map(len, vocab.ids), default=0)
        self.lower_case = normalisation.do_lower_case
        self.strip_accents = normalisation.strips_accents
        self.split_cjk = normalisation.tokenize_chinese_chars
        self._pieces: dict[str, list[str]] = {}
        self._characters: dict[str, str] = {}

    def tokenize(self, text: str) -> list[str]:
        """Text as tokens; unknown words are [UNK]."""
        tokens: list[str] = []
        for chunk in self._chunks(text):
            pieces = self._pieces.get(chunk)
            if pieces is None:
                pieces = [p for word in self._words(chunk) for p in self.wordpiece(word)]
                self._remember(chunk, pieces)
            tokens += pieces
        return tokens

    def basic_tokenize(self, text: str) -> list[str]:
        """Text as words and punctuation marks, before they are cut into pieces."""
        return [word for chunk in self._chunks(text) for word in self._words(chunk)]

    def wordpiece(self, word: str) -> list[str]:
        """One word as pieces, longest match first; [UNK] if some rest has none.

        A word over `longest_word` characters (200 by default) is [UNK].
        """
        if len(word) > self.longest_word:
            return [UNK]
        pieces: list[str] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                if prefix + word[start:end] in self.vocab.ids:
                    break
            else:
                return [UNK]
            pieces.append(prefix + word[start:end])
            start = end
        return pieces

    def treatment(self, character: str) -> list[list[str]]:
        """What becomes of a character alone and between letters, to tell variants apart."""
        replaced = self._replacement(character)
        known = [[replaced]]
        if unicodedata.category(character) not in ("Cn", "Co"):  # which nobody cuts or changes
            text = replaced.strip(" ")
            known += [self._words(around) for around in (text, f"a{text}a")]
        if character.isspace():
            known.append(self._chunks(f"a{character}a"))
        return known

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens.

        Raises:
            DataError: a token that is not in the vocabulary.
        """
        try:
            return [self.vocab.ids[token] for token in tokens]
        except KeyError as error:
            raise DataError(f"token {error.args[0]!r} is not in the vocabulary") from error

    def _chunks(self, text: str) -> list[str]:
        """Cleaned text cut at white space."""
        return self._clean(text).split()

    def _clean(self, text: str) -> str:
        """Drop control characters, make every space plain, set ideographs apart."""
        known = self._characters
        for character in set(text).difference(known):
            known[character] = self._replacement(character)
        return "".join([known[character] for character in text])

    def _replacement(self, character: str) -> str:
        if character in "\x00\ufffd" or is_control(character):
            return ""
        if is_whitespace(character):
            return " "
        return self._set_apart(character)

    def _set_apart(self, character: str) -> str:
        """The character, with spaces around it where it is an ideograph."""
        return f" {character} " if self.split_cjk and is_cjk(character) else character

    def _words(self, chunk: str) -> list[str]:
        """Split what stood between two spaces at punctuation, after normalising it."""
        if self.lower_case:
            # str.lower() looks at the neighbours of a capital sigma: whole chunk at once.
            chunk = chunk.lower()
        if self.strip_accents:
            chunk = strip_accents(chunk)
        spaced = "".join([f" {c} " if is_punctuation(c) else c for c in chunk])
        return spaced.split()

    def _remember(self, chunk: str, pieces: list[str]) -> None:
        if len(chunk) > MAX_WORD_CHARACTERS:  # nothing that is met again and again
            return
        if len(self._pieces) >= _CACHE_LIMIT:
            self._pieces.clear()
        self._pieces[chunk] = pieces


def strip_accents(text: str) -> str:
    """Decompose (NFD) and drop the combining marks (category Mn)."""
    decomposed = unicodedata.normalize("NFD", text)
    if decomposed.isascii():
        return decomposed
    return "".join([c for c in decomposed if unicodedata.category(c) != "Mn"])
