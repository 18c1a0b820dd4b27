"""Compares the vocabularies of records, `--vocab` and starting checkpoint, and settles a run's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bertkit import log
from bertkit.backends.sections import options_of
from bertkit.configuration.config import ExternalOrigin
from bertkit.data.record_source import SampleSource
from bertkit.errors import ConfigError
from bertkit.model.checkpoints.loading import vocab_beside
from bertkit.model.checkpoints.tokenizer import tokenizer_facts
from bertkit.model.checkpoints.vocabulary_padding import rounded
from bertkit.records.config import RecordsConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.normalisation import from_settings
from bertkit.tokenization.tokenizer_facts import (
    TokenizerFacts,
    require_fitting,
    require_same,
    same_vocabulary,
    settled,
    settled_word_length,
)
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab, vocabulary_bytes


@dataclass(frozen=True)
class RunVocabulary:
    """What a run knows about its tokens.

    Attributes:
        config: the settings, with the size of the vocabulary and the treatment of text.
        facts: for the run's checkpoints.
        content: bytes of the vocabulary file; None where it is not given.
        words: its tokens, likewise.
    """

    config: PretrainConfig
    facts: TokenizerFacts
    content: bytes | None
    words: Vocab | None


def treated_as_before(config: PretrainConfig, vocab: str) -> RecordsConfig:
    """The settings for `--text`, treated like the starting checkpoint's.

    Only where the vocabulary itself records nothing.

    Raises:
        ConfigError: a setting contradicts what the checkpoint records.
    """
    rules = config.records
    if not config.init_checkpoint or config.allow_other_vocab:
        return rules
    start = tokenizer_facts(config.init_checkpoint)
    words = load_vocab(find_vocab(vocab), rules.duplicates)
    own = tokenizer_files.of_vocabulary(words)
    if own.word_length is None and start.word_length:
        rules = replace(rules, word_length=settled_word_length(start, vars(rules)))
    if start.normalisation is None or own.normalisation:
        return rules
    return replace(rules, **settled(start, words, vars(rules)).as_dict())


def fit_vocabulary(
    config: PretrainConfig, origins: Mapping[str, str], sources: Sequence[SampleSource]
) -> RunVocabulary:
    """Check all that must be of one vocabulary, and fill in what follows from it.

    Args:
        config: the settings.
        origins: where they came from; a vocabulary size that nobody gave follows.
        sources: records or text, for training and evaluation.

    Raises:
        DataError: different vocabularies, or text treated differently; names both.
        ConfigError: a setting contradicts what is recorded, or more tokens than rows.
    """
    known = [facts for source in sources for facts in source.tokenizers]
    for facts in known[1:]:
        require_same(known[0], facts, "make all records with one --vocab and the same flags")
    tokens = known[0] if known else TokenizerFacts(source="the records")
    if not known:
        log.logger.info("the records do not say which vocabulary they were made with")
    vocab, content, given = None, None, TokenizerFacts()
    if config.vocab is not None:
        place = find_vocab(config.vocab)
        vocab = load_vocab(place, config.records.duplicates)
        given = replace(tokenizer_files.of_vocabulary(vocab), source=f"--vocab {config.vocab}")
        # The records alone know how their text was treated.
        require_same(
            tokens,
            replace(given, normalisation=None, word_length=None),
            "give the vocabulary of make-records",
        )
        content = vocabulary_bytes(place)
    start, words = TokenizerFacts(), vocab
    if config.init_checkpoint:
        start = tokenizer_facts(config.init_checkpoint)
        allow = config.allow_other_vocab
        for facts in known or [given]:
            require_fitting(start, facts, allow_other=allow)
        alike = same_vocabulary(start, tokens if known else given)
        if allow and alike is False:
            start = TokenizerFacts()
        # The start's vocabulary goes on with the run, unless the records are of another.
        beside = vocab_beside(config.init_checkpoint) if config.vocab is None else None
        if beside is not None and alike is not False:
            content, words = vocabulary_bytes(beside), load_vocab(beside, "last")
    config, facts = _treatment(config, [tokens, start, given], vocab)
    return RunVocabulary(_with_size(config, origins, facts.vocab_size), facts, content, words)


def _treatment(
    config: PretrainConfig, parts: Sequence[TokenizerFacts], vocab: Vocab | None
) -> tuple[PretrainConfig, TokenizerFacts]:
    """The settings and facts with what the first part that records it says of the text."""
    names = next((part for part in (parts[2], *parts) if part.names_vocabulary), parts[0])
    facts = replace(names, model_max_length=config.model.max_position_embeddings)
    says = next((part for part in parts if part.normalisation), None)
    flags = vars(config.records)
    if says is None and vocab is None:
        # Records from elsewhere and no vocabulary: only a flag can tell.
        found = from_settings(flags, "the settings")
        longest = config.records.word_length
        return config, replace(facts, normalisation=found, word_length=longest)
    chosen = settled(says or parts[2], vocab, flags)
    longest = settled_word_length(says or parts[2], flags)
    records = replace(config.records, **chosen.as_dict(), word_length=longest)
    effect = records.normalisation if config.text else chosen
    facts = replace(facts, normalisation=effect, word_length=longest)
    return replace(config, records=records), facts


def _with_size(config: PretrainConfig, origins: Mapping[str, str], size: int) -> PretrainConfig:
    """The settings with the vocabulary's size, where nobody gave one."""
    if not size:
        return config
    if "model.vocab_size" not in origins:
        return replace(config, model=replace(config.model, vocab_size=size))
    if size > config.model.vocab_size:
        if isinstance(origins["model.vocab_size"], ExternalOrigin):
            return _with_rows(config, origins["model.vocab_size"], size)
        rows = rounded(size, _multiple(config))
        raise ConfigError(
            f"the vocabulary has {size} entries, model.vocab_size is {config.model.vocab_size}",
            f"--set model.vocab_size={rows} has room for them",
        )
    return config


def rows_for_start(config: PretrainConfig, origins: Mapping[str, str], rows: int) -> PretrainConfig:
    """The settings with the rows of the checkpoint to start from, where a file says others.

    Files of other systems have the number of rows of their own data. The user's own setting
    stays as it is.

    Args:
        config: the settings.
        origins: where they came from.
        rows: of the checkpoint's word embedding.
    """
    origin = origins.get("model.vocab_size")
    if not isinstance(origin, ExternalOrigin) or config.model.vocab_size == rows:
        return config
    return _with_rows(config, origin, rows)


def _with_rows(config: PretrainConfig, origin: str, size: int) -> PretrainConfig:
    """A model with room for so many tokens, rounded up as its machine needs it; said."""
    multiple = _multiple(config)
    rows = rounded(size, multiple)
    log.logger.warning(
        "%s: model.vocab_size %s is not the %s tokens at hand: %s rows, rounded up to a multiple"
        " of %d",
        origin,
        f"{config.model.vocab_size:,}",
        f"{size:,}",
        f"{rows:,}",
        multiple,
    )
    return replace(config, model=replace(config.model, vocab_size=rows))


def _multiple(config: PretrainConfig) -> int:
    """Of 8, as matrix units need it, and of the pieces of an IPU's embedding."""
    return math.lcm(8, options_of(config, "ipu").embedding_serialization)
