"""Implements other programs' WordPiece tokenizers, where they differ from Google's.

Each follows the behaviour of one program's tokenizer, so that its records can be made
again token for token. `google` is `wordpiece.WordPieceTokenizer`.
"""

from __future__ import annotations

import unicodedata

from bertkit.errors import ConfigError, DataError
from bertkit.tokenization.normalisation import CASED, UNCASED, Normalisation
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, UNK, Vocab
from bertkit.tokenization.word_length import FLAG
from bertkit.tokenization.wordpiece import (
    WordPieceTokenizer,
    is_punctuation,
    is_whitespace,
    strip_accents,
)


def make_tokenizer(
    name: str,
    vocab: Vocab,
    normalisation: Normalisation = UNCASED,
    word_length: int | None = None,
) -> WordPieceTokenizer:
    """The tokenizer of a program.

    Args:
        name: `google`, `nvidia`, `cerebras` or `hf`.
        vocab: the vocabulary.
        normalisation: what happens to the text first.
        word_length: letters of the longest word that is not [UNK]; None: the program's own limit.

    Raises:
        DataError: no such tokenizer.
        ConfigError: the program does not know that treatment of text, or has another limit.
    """
    kinds = _kinds()
    if name not in kinds:
        raise DataError(f"no tokenizer {name!r}", f"there are: {', '.join(kinds)}")
    if not does(name, normalisation):
        raise refusal(name, normalisation)
    if problem := word_length_problem(name, word_length):
        raise ConfigError(problem)
    return kinds[name](vocab, normalisation, word_length)


def _kinds() -> dict[str, type[WordPieceTokenizer]]:
    return {
        "google": WordPieceTokenizer,
        "nvidia": NvidiaTokenizer,
        "cerebras": CerebrasTokenizer,
        "hf": HuggingFaceTokenizer,
    }


def word_length_problem(name: str, word_length: int | None) -> str:
    """What is wrong with a limit of letters per word for a program's tokenizer; empty if nothing.

    Google's class and the `tokenizers` package take it as a parameter; NVIDIA's and Cerebras'
    programs have a fixed one.
    """
    if name in ("google", "hf") or word_length is None:
        return ""
    own = _kinds()[name].longest_word
    if word_length == own:
        return ""
    return (
        f"{FLAG} {word_length}: words over {own} letters are always [UNK] in {name}'s tokenizer; "
        "give --tokenizer google, or hf"
    )


def does(name: str, normalisation: Normalisation) -> bool:
    """Whether a program's tokenizer knows a treatment of text.

    Google's and Hugging Face's know all; NVIDIA's and Cerebras' have one switch only.
    """
    known = [treatment_of(name, choice) for choice in (UNCASED, CASED)]
    return name in ("google", "hf") or treatment_of(name, normalisation).usual() in known


def refusal(name: str, normalisation: Normalisation) -> ConfigError:
    """The error for a treatment of text that a program's tokenizer does not know."""
    text = f"{name}'s tokenizer cannot make text {normalisation.text()}"
    return ConfigError(text, "give --tokenizer google, or hf")


def treatment_of(name: str, normalisation: Normalisation) -> Normalisation:
    """What a program's tokenizer really does to text.

    Cerebras' strips the accents of cased text, too, as long as nothing else is asked for.
    """
    if name == "cerebras" and normalisation == CASED:
        return Normalisation(do_lower_case=False, strip_accents=True)
    return normalisation


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
        return self._set_apart(character)

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
        return self._set_apart(character)

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

    Words over 100 characters are [UNK] by default; Unicode tables are those of the package. Word by
    word use (`basic_tokenize`, `wordpiece`) is Google's.
    """

    longest_word = 100

    def __init__(
        self,
        vocab: Vocab,
        normalisation: Normalisation = UNCASED,
        word_length: int | None = None,
    ) -> None:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        super().__init__(vocab, normalisation, word_length)
        model = models.WordPiece(
            vocab.ids, unk_token=UNK, max_input_chars_per_word=self.longest_word
        )
        self._package = Tokenizer(model)
        self._package.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.split_cjk,
            strip_accents=self.strip_accents,
            lowercase=self.lower_case,
        )
        self._package.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._package.add_special_tokens(list(SPECIAL_TOKENS))

    def tokenize(self, text: str) -> list[str]:
        """Text as tokens; unknown words are [UNK]."""
        tokens: list[str] = self._package.encode(text, add_special_tokens=False).tokens
        return tokens
