"""Takes the model's shape and vocabulary from the checkpoint that a pretraining run starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertkit.data.record_source import SampleSource
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.loading import config_beside, head_dropout_of
from bertkit.model.checkpoints.vocabulary_padding import Rows, require_rows
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.starting_point import StartingPoint, opened, settled_shape

# Without these a checkpoint that has no configuration cannot be read.
_NEEDED = ("model.hidden_size", "model.num_hidden_layers", "model.num_attention_heads")


def starting_point(config: PretrainConfig, origins: Mapping[str, str]) -> StartingPoint | None:
    """The checkpoint to start from, opened; None for new weights.

    A run that resumes needs it no more: where it is gone, the run's own checkpoint stands in.

    Raises:
        DataError: none there, or damaged files.
        ConfigError: its shape is not known, or it is no BERT.
    """
    if config.init_checkpoint is None:
        return None
    own = checkpoint.latest(config.output)
    if own is not None and formats.detect(config.init_checkpoint) is None:
        return opened(own)
    path = checkpoint.find_one(config.init_checkpoint)
    told = config.model_config or config_beside(path)
    if not told and all(key in origins for key in _NEEDED):
        return StartingPoint(path, config.model)  # loading says where the two differ
    return opened(path, config.model_config)


def shaped(
    config: PretrainConfig, origins: Mapping[str, str], start: StartingPoint | None
) -> PretrainConfig:
    """The settings with the shape and the vocabulary of the starting point.

    Raises:
        ConfigError: sizes were given that are others; lists them.
    """
    if start is None and config.model_config is None:
        return config
    if start is None:
        path = Path(str(config.model_config))
        file = StartingPoint(path, BertConfig.from_file(path))
        given = {key: origin for key, origin in origins.items() if key != "model.vocab_size"}
        return replace(config, model=settled_shape(config.model, given, file))
    found = replace(config, model=settled_shape(config.model, origins, start))
    makes_tokens = config.text or config.mask == "dynamic"
    if makes_tokens and config.vocab is None and start.vocab_file is not None:
        return replace(found, vocab=str(start.vocab_file))
    return found


def facts_kept(config: PretrainConfig) -> dict[str, Any]:
    """What of the starting point's `config.json` only fine-tuning reads, and so goes on."""
    if config.init_checkpoint is None:
        return {}
    own = checkpoint.latest(config.output)
    if own is not None and formats.detect(config.init_checkpoint) is None:
        return {"classifier_dropout": head_dropout_of(own)}
    return {"classifier_dropout": head_dropout_of(checkpoint.find_one(config.init_checkpoint))}


def require_known_words(
    config: PretrainConfig, start: StartingPoint | None, sources: Sequence[SampleSource]
) -> Rows | None:
    """Refuse words that the starting point has no weights for.

    Returns:
        The rows of its word embedding, and the tokens they are for; None for new weights.

    Raises:
        ConfigError: names them; or the vocabulary is another one.
    """
    if start is None:
        return None
    vocab = None
    if config.vocab is not None:
        vocab = load_vocab(find_vocab(config.vocab), config.records.duplicates)
    sizes = [facts.vocab_size for source in sources for facts in source.tokenizers]
    tokens = len(vocab) if vocab else max(sizes, default=0)
    rows = start.rows(tokens, vocab)
    require_rows(rows, config.model.vocab_size)
    return rows
