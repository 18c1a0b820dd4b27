"""Opens what a run is trained on: records, or text of which instances are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import RecordSource, SampleSource
from bertkit.records.files.unmasked import UnmaskedRules
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.vocabulary import treated_as_before
from bertkit.tokenization.vocabulary import find_vocab, load_vocab


def open_samples(
    config: PretrainConfig, *, cache: str | None, leave_out: Sequence[str], fetch: bool = True
) -> tuple[PretrainConfig, SampleSource]:
    """The samples, and the settings with what the vocabulary of a text settles.

    Args:
        config: the settings.
        cache: folder for the plans of a text; None for a temporary one.
        leave_out: what the run writes, which is no input even below one.
        fetch: copy remote files that are not here yet; else refuse them.

    Raises:
        DataError: see `RecordSource` and `TextSource`.
        ConfigError: settings of records that are made as files only.
    """
    if not config.text:
        unmasked = None
        if config.mask == "dynamic" and config.vocab:
            vocab = load_vocab(find_vocab(config.vocab), config.records.duplicates)
            unmasked = UnmaskedRules(vocab, config.records.masked_lm_prob)
        return config, RecordSource(config.input, unmasked, leave_out=leave_out, fetch=fetch)
    from bertkit.data.text_source import TextSource  # loads the record kernels

    assert config.vocab is not None
    source = TextSource(
        config.text,
        treated_as_before(config, config.vocab),
        config.vocab,
        cache,
        new_pairs=config.new_pairs,
        leave_out=leave_out,
        fetch=fetch,
        workers=config.workers,
    )
    return replace(config, records=source.config), source


def masking_of(config: PretrainConfig) -> DynamicMasking | None:
    """New masks for every epoch; None where those of the samples stay."""
    if config.mask == "static":
        return None
    assert config.vocab is not None
    rules = config.records
    vocab = load_vocab(find_vocab(config.vocab), rules.duplicates)
    return DynamicMasking(vocab, rules.masked_lm_prob, config.seed, rules.whole_word_mask)
