"""Turns texts into the token numbers of a model, and token numbers into text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.errors import UsageError
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, settled, settled_word_length
from bertkit.tokenization.truncation import fitting
from bertkit.tokenization.vocabulary import (
    MASK,
    SPECIAL_TOKENS,
    Vocab,
    find_vocab,
    load_vocab,
    vocabulary_bytes,
)
from bertkit.tokenization.wordpiece import WordPieceTokenizer

if TYPE_CHECKING:
    from torch import Tensor

_PIECE = "##"


@dataclass(frozen=True)
class Encoding:
    """A text, or a pair of texts, as a model takes it.

    Attributes:
        tokens: With [CLS] and [SEP].
        input_ids: Their numbers.
        token_type_ids: 0 in the first text, 1 in the second.
        attention_mask: 1 for each.
    """

    tokens: list[str]
    input_ids: list[int]
    token_type_ids: list[int]
    attention_mask: list[int]


class Tokenizer:
    """WordPiece, exactly as the original BERT has it, with a vocabulary and its casing.

    Made by `bertkit.load_tokenizer`; a loaded model has its own as `Model.tokenizer`.

    Attributes:
        vocab: The vocabulary.
        facts: What is known about it: digest, casing, the model's positions.

    Args:
        vocab: The vocabulary.
        facts: With the treatment of text.
    """

    def __init__(self, vocab: Vocab, facts: TokenizerFacts) -> None:
        assert facts.normalisation is not None
        self.vocab = vocab
        self.facts = facts
        self._wordpiece = WordPieceTokenizer(vocab, facts.normalisation, facts.word_length)

    def __len__(self) -> int:
        """Tokens in the vocabulary."""
        return len(self.vocab)

    def tokenize(self, text: str) -> list[str]:
        """A text as tokens; unknown words are [UNK]. A [MASK] in it stays one token."""
        parts = text.split(MASK)
        tokens = self._wordpiece.tokenize(parts[0])
        for part in parts[1:]:
            tokens += [MASK, *self._wordpiece.tokenize(part)]
        return tokens

    def encode(self, text: str, pair: str | None = None, max_length: int | None = None) -> Encoding:
        """A text, or a pair of texts, with [CLS] and [SEP].

        Args:
            text: The first text.
            pair: The second one.
            max_length: Tokens at most; of a pair the longer text loses its last token first.
                None: as many as the model has positions, or all of them.

        Raises:
            UsageError: `max_length` leaves no room for a token.
        """
        first, second = self.tokenize(text), self.tokenize(pair) if pair is not None else []
        special = 2 if pair is None else 3
        if max_length is not None and max_length <= special:
            raise UsageError(
                f"max_length {max_length} leaves no room for a token beside {special} marks"
            )
        most = max_length or self.facts.model_max_length or len(first) + len(second) + special
        one, other = fitting(len(first), len(second), most - special)
        cls, sep = (self.vocab.token(number) for number in (self.vocab.cls_id, self.vocab.sep_id))
        tokens = [cls, *first[:one], sep]
        kinds = [0] * len(tokens)
        if pair is not None:
            tokens += [*second[:other], sep]
            kinds += [1] * (other + 1)
        return Encoding(tokens, self._wordpiece.ids(tokens), kinds, [1] * len(tokens))

    def __call__(
        self,
        texts: str | Sequence[str],
        pairs: str | Sequence[str] | None = None,
        max_length: int | None = None,
    ) -> dict[str, Tensor]:
        """Texts as the tensors that a `Model` takes, padded to the longest of them.

        Args:
            texts: One text or several.
            pairs: The second text of each.
            max_length: As for `encode`.

        Returns:
            `input_ids`, `token_type_ids` and `attention_mask`, int64 [B, L].

        Raises:
            UsageError: No text, or another number of second texts.
        """
        import torch

        several = [texts] if isinstance(texts, str) else list(texts)
        seconds: list[str | None] = [None] * len(several)
        if pairs is not None:
            seconds = [pairs] if isinstance(pairs, str) else list(pairs)
        if not several or len(seconds) != len(several):
            raise UsageError(f"{len(several)} texts and {len(seconds)} second texts")
        found = [
            self.encode(text, pair, max_length) for text, pair in zip(several, seconds, strict=True)
        ]
        width = max(len(item.input_ids) for item in found)

        def padded(rows: Iterable[list[int]], fill: int) -> Tensor:
            return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

        return {
            "input_ids": padded((item.input_ids for item in found), self.vocab.pad_id),
            "token_type_ids": padded((item.token_type_ids for item in found), 0),
            "attention_mask": padded((item.attention_mask for item in found), 0),
        }

    def decode(self, ids: Iterable[int], special_tokens: bool = False) -> str:
        """Token numbers as text; pieces of a word are joined, casing that was lost stays lost.

        Args:
            ids: Numbers, such as those of an `Encoding`.
            special_tokens: Keep [CLS], [SEP] and the like.
        """
        words: list[str] = []
        for token in map(self.vocab.token, map(int, ids)):
            if token in SPECIAL_TOKENS and not special_tokens:
                continue
            if token.startswith(_PIECE) and words:
                words[-1] += token.removeprefix(_PIECE)
            else:
                words.append(token)
        return " ".join(words)

    def vocabulary_bytes(self) -> bytes:
        """The content of its `vocab.txt`."""
        return vocabulary_bytes(self.vocab.path)

    def __repr__(self) -> str:
        assert self.facts.normalisation is not None
        return f"<tokenizer of {len(self):,} tokens, {self.facts.normalisation.text()}>"


def tokenizer_of_vocabulary(
    name: str | Path,
    do_lower_case: bool | None = None,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool | None = None,
) -> Tokenizer:
    """The tokenizer of a vocabulary, which treats text as is recorded beside it.

    Args:
        name: A file, a folder that holds one, or the name of one that ships with bertkit.
        do_lower_case, strip_accents, tokenize_chinese_chars: The treatment, where nothing
            records it.

    Raises:
        DataError: No such vocabulary, or a broken one.
        ConfigError: The treatment contradicts what is recorded.
    """
    from dataclasses import replace

    vocab = load_vocab(find_vocab(name), "last")
    facts = tokenizer_files.of_vocabulary(vocab)
    flags = {
        "do_lower_case": do_lower_case,
        "strip_accents": strip_accents,
        "tokenize_chinese_chars": tokenize_chinese_chars,
    }
    treatment = settled(facts, vocab, flags)
    longest = settled_word_length(facts, {})
    return Tokenizer(vocab, replace(facts, normalisation=treatment, word_length=longest))
