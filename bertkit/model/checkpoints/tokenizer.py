"""Finds out which tokens a checkpoint knows and how its text is treated; refuses others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.loading import folder_of, vocab_beside
from bertkit.tokenization import tokenizer_files, word_length
from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.tokenizer_facts import (
    NOT_RECORDED,
    TokenizerFacts,
    require_fitting,
    same_vocabulary,
    settled,
    settled_word_length,
)
from bertkit.tokenization.vocabulary import Vocab


def tokenizer_facts(path: str | Path) -> TokenizerFacts:
    """What lies beside a checkpoint about its tokens; nothing where there is no checkpoint.

    Raises:
        DataError, ConfigError: files beside it are broken or contradict each other.
    """
    if formats.detect(path) is None:
        return NOT_RECORDED
    vocab = vocab_beside(path)
    return tokenizer_files.of_folder(vocab.parent if vocab else folder_of(path))


def facts_with(
    checkpoint: str | Path,
    vocab: Vocab,
    flags: Mapping[str, bool | None],
    *,
    positions: int,
    allow_other: bool = False,
) -> TokenizerFacts:
    """The facts of a checkpoint and its vocabulary, with the treatment of text settled.

    The checkpoint decides; where it records nothing the vocabulary does, then the flags, then
    what the tokens point to.

    Args:
        checkpoint: in any format.
        vocab: given by the user, or found beside it.
        flags: setting → value of the user's flag, as for `settled`.
        positions: of the model.
        allow_other: the vocabulary may be another one than the checkpoint's.

    Raises:
        DataError: another vocabulary.
        ConfigError: a flag contradicts what is recorded.
    """
    own = tokenizer_files.of_vocabulary(vocab)
    recorded = tokenizer_facts(checkpoint)
    require_fitting(recorded, own, allow_other=allow_other)
    if recorded.normalisation is None or same_vocabulary(recorded, own) is False:
        recorded = own
    length = min(recorded.model_max_length or positions, positions)
    treatment = settled(recorded, vocab, flags)
    longest = settled_word_length(recorded if recorded.word_length else own, flags)
    return replace(own, normalisation=treatment, word_length=longest, model_max_length=length)


def treatment_settings(tokenizer: TokenizerFacts) -> dict[str, Any]:
    """The treatment of text for a manifest, the newer settings where they are not the default."""
    found = tokenizer.normalisation or UNCASED
    usual, default = found.usual().as_dict(), UNCASED.as_dict()
    newer = {name: value for name, value in usual.items() if value != default[name]}
    newer.pop("do_lower_case", None)
    if tokenizer.word_length:
        newer[word_length.NAME] = tokenizer.word_length
    return {"lower_case": found.do_lower_case, **newer}
