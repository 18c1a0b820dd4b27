"""Opens the vocabulary of a record set, and settles how its text is treated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bertkit.errors import ConfigError, DataError
from bertkit.kinds.recognise import VOCABULARY, kind_of
from bertkit.records.config import RecordsConfig
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import (
    TokenizerFacts,
    of_vocab,
    settled,
    settled_word_length,
)
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab
from bertkit.tokenization.word_length import USUAL
from bertkit.tokenization.wordpiece_variants import does, refusal, word_length_problem


def opened(
    vocab: str | Path, config: RecordsConfig, texts: Sequence[str] = ()
) -> tuple[Vocab, RecordsConfig]:
    """Load a vocabulary and settle the treatment of text and `word_length` by what it records.

    Args:
        vocab: file, or the name of one that ships with bertkit.
        config: the settings; what they leave open is settled, what they say must agree.
        texts: the files of text it is for; where they hold the vocabulary, the error says so.

    Raises:
        DataError: no such vocabulary, a broken one, or facts beside it that are another's.
        ConfigError: a setting contradicts the vocabulary, or its tokenizer cannot do so.
    """
    try:
        words = load_vocab(find_vocab(vocab), config.duplicates)
    except DataError as error:
        if texts and _is_vocabulary(texts[0]):
            swapped = f"{texts[0]} is one: are the text and --vocab swapped?"
            raise DataError(error.message, swapped) from error
        raise
    facts = tokenizer_files.of_vocabulary(words)
    chosen = settled(facts, words, vars(config))
    if not does(config.tokenizer_name, chosen):
        raise refusal(config.tokenizer_name, chosen)
    longest = settled_word_length(facts, vars(config))
    if problem := word_length_problem(config.tokenizer_name, longest):
        raise ConfigError(f"{facts.source} records {problem}")
    return words, replace(config, **chosen.as_dict(), word_length=longest)


def _is_vocabulary(path: str) -> bool:
    found = kind_of(path)
    return found is not None and found.name == VOCABULARY


def facts_of(config: RecordsConfig, vocab: Vocab) -> TokenizerFacts:
    """What the records of these settings are to carry."""
    return of_vocab(vocab, config.normalisation, config.word_length or USUAL)


def no_input(vocab: str | Path, inputs: Sequence[str]) -> str | Path:
    """What is left out of the inputs for a vocabulary: it, or of a folder of inputs its file.

    Raises:
        DataError: a folder of inputs that holds no vocabulary.
    """
    same = os.path.isdir(vocab) and any(
        os.path.isdir(name) and Path(name).samefile(vocab) for name in inputs
    )
    return find_vocab(vocab) if same else vocab
