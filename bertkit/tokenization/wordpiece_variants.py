"""Implements other programs' WordPiece tokenizers, where they differ from Google's.

Each follows the behaviour of one program's tokenizer, so that its records can be made
again token for token. `google` is `wordpiece.WordPieceTokenizer`.
"""

from __future__ import annotations

import unicodedata

from bertkit.errors import DataError
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, UNK, Vocab
from bertkit.tokenization.wordpiece import (
    WordPieceTokenizer,
    is_cjk,
    is_punctuation,
    is_whitespace,
    strip_accents,
)


def make_tokenizer(name: str, vocab: Vocab, lower_case: bool = True) -> WordPieceTokenizer:
    """The tokenizer of a program.

    Args:
        name: `google`, `nvidia`, `cerebras` or `hf`.
        vocab: the vocabulary.
        lower_case: lower-case and strip accents.

    Raises:
        DataError: no such tokenizer.
    """
    kinds = {
        "google": WordPieceTokenizer,
        "nvidia": NvidiaTokenizer,
        "cerebras": CerebrasTokenizer,
        "hf": HuggingFaceTokenizer,
    }
    if name not in kinds:
        raise DataError(f"no tokenizer {name!r}", f"there are: {', '.join(kinds)}")
    return kinds[name](vocab, lower_case)


class NvidiaTokenizer(WordPieceTokenizer):
    """NVIDIA's and Habana's: drops more characters, keeps special tokens met in text.

    Unassigned, private-use and surrogate characters are dropped like control characters;
    a special token such as [SEP] that stands alone between spaces stays one token; a word
    over 100 characters is [UNK].
    """

    longest_word = 100

    def _replacement(self, character: str) -> str:
        if character in "\x00\ufffd":
            return ""
        if is_whitespace(character):
            return " "
        if unicodedata.category(character).startswith("C"):
            return ""
        return f" {character} " if is_cjk(character) else character

    def _words(self, chunk: str) -> list[str]:
        return [chunk] if chunk in SPECIAL_TOKENS else super()._words(chunk)


class CerebrasTokenizer(WordPieceTokenizer):
    """Cerebras': splits at the space characters only and strips accents even when cased.

    Tab and line ends inside text are dropped, not turned into spaces; U+2028, U+2029 and
    the ASCII separators do not split words. With `lower_case`, letters that a
    decomposition brings to light are lower-cased too.
    """

    def _replacement(self, character: str) -> str:
        category = unicodedata.category(character)
        if character in "\x00\ufffd" or category in ("Cc", "Cf"):
            return ""
        if category == "Zs":
            return " "
        return f" {character} " if is_cjk(character) else character

    def _chunks(self, text: str) -> list[str]:
        return [chunk for chunk in self._clean(text).split(" ") if chunk]

    def _words(self, chunk: str) -> list[str]:
        chunk = strip_accents(chunk.lower() if self.lower_case else chunk)
        words: list[str] = []
        begins = True
        for character in chunk:
            alone = is_punctuation(character)
            if alone or begins:
                words.append(character)
            else:
                words[-1] += character
            begins = alone
        if not self.lower_case:
            return words
        return [part for word in words for part in word.lower().split(" ") if part]


class HuggingFaceTokenizer(WordPieceTokenizer):
    """The `tokenizers` package with its BERT normaliser, as Hugging Face runs it.

    Words over 100 characters are [UNK]; Unicode tables are those of the package. Word by
    word use (`basic_tokenize`, `wordpiece`) is Google's.
    """

    longest_word = 100

    def __init__(self, vocab: Vocab, lower_case: bool = True) -> None:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        super().__init__(vocab, lower_case)
        model = models.WordPiece(vocab.ids, unk_token=UNK, max_input_chars_per_word=100)
        self._package = Tokenizer(model)
        self._package.normalizer = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lower_case
        )
        self._package.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._package.add_special_tokens(list(SPECIAL_TOKENS))

    def tokenize(self, text: str) -> list[str]:
        """Text as tokens; unknown words are [UNK]."""
        tokens: list[str] = self._package.encode(text, add_special_tokens=False).tokens
        return tokens
