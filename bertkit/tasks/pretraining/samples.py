"""Opens what a run is trained on: records, or text of which instances are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bertkit import log
from bertkit.configuration.config import ASSIGNMENT, COMMAND_LINE, as_dict, flatten
from bertkit.configuration.record_settings import SECTION
from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import RecordSource, SampleSource
from bertkit.errors import ConfigError
from bertkit.records.files.unmasked import UnmaskedRules
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.vocabulary import treated_as_before
from bertkit.tokenization.vocabulary import find_vocab, load_vocab

# Of records, which may be said again where they are trained on.
_LENGTHS = ("max_seq_length", "max_predictions_per_seq")


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


def check_unread(config: PretrainConfig, origins: Mapping[str, str], source: SampleSource) -> None:
    """Say which settings of the command line do nothing, as the records are made already.

    Args:
        config: the settings.
        origins: where they came from.
        source: the records.

    Raises:
        ConfigError: a length is not that of the records; names both.
    """
    values = flatten(as_dict(config))
    typed = [key for key in config.unread() if origins.get(key) in (COMMAND_LINE, ASSIGNMENT)]
    for key in typed:
        name, wanted = key.removeprefix(SECTION), values[key]
        has = getattr(source, name, None) if name in _LENGTHS else None
        if has == wanted:
            continue
        if has is not None and wanted is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} is {wanted}, the records have {has}",
                "leave it out: `bertkit make-records` decides it",
            )
        log.logger.warning(
            "%s=%s does nothing here: the records are made already", key, log.shown(wanted)
        )


def masking_of(config: PretrainConfig) -> DynamicMasking | None:
    """New masks for every epoch; None where those of the samples stay."""
    if config.mask == "static":
        return None
    assert config.vocab is not None
    rules = config.records
    vocab = load_vocab(find_vocab(config.vocab), rules.duplicates)
    return DynamicMasking(vocab, rules.masked_lm_prob, config.seed, rules.whole_word_mask)
