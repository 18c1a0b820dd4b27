"""Opens the checkpoint that a run starts from, and settles the model's shape by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.loading import differences, load_config, vocab_beside
from bertkit.model.checkpoints.vocabulary_padding import Rows, require_rows
from bertkit.model.config import BertConfig
from bertkit.tokenization.vocabulary import Vocab, load_vocab
from bertkit.train.checkpoints import checkpoint


@dataclass(frozen=True)
class StartingPoint:
    """A checkpoint, of any form that bertkit reads, and what its folder says of it.

    Attributes:
        path: of the checkpoint.
        shape: of its encoder.
        vocab_file: the vocabulary that lies with it; None without one.
    """

    path: Path
    shape: BertConfig
    vocab_file: Path | None = None

    def rows(self, tokens: int = 0, vocab: Vocab | None = None) -> Rows:
        """The rows of its word embedding, beside the vocabulary that it is used with.

        Args:
            tokens: in that vocabulary; 0 if unknown.
            vocab: itself, if it is at hand.
        """
        known = len(load_vocab(self.vocab_file, "last")) if self.vocab_file else 0
        known = known if known <= self.shape.vocab_size else 0  # of another model
        names = [vocab.token(number) for number in range(len(vocab))] if vocab else []
        return Rows(
            source=str(self.path),
            have=self.shape.vocab_size,
            known=known,
            tokens=tokens,
            names=names,
            vocabulary=vocab.path if vocab else "the vocabulary of the records",
        )

    def require_vocab(self, vocab: Vocab) -> None:
        """Refuse a vocabulary that the checkpoint has no rows for, or of another size.

        Raises:
            ConfigError: names what is new, or both sizes.
        """
        require_rows(self.rows(len(vocab), vocab), self.shape.vocab_size)


def open_start(given: str, model_config: str | None = None) -> StartingPoint:
    """Find a checkpoint, its shape and its vocabulary.

    Args:
        given: a checkpoint, or a run: its best model, or else its last checkpoint.
        model_config: a file with the shape, where none lies beside the checkpoint.

    Raises:
        DataError: none there, or damaged files.
        ConfigError: the shape is not known, not that of BERT, or `model_config` is of another.
    """
    return opened(checkpoint.find_one(given), model_config)


def opened(path: Path, model_config: str | None = None) -> StartingPoint:
    """The same for the path of one checkpoint."""
    return StartingPoint(path, load_config(path, model_config), vocab_beside(path))


def settled_shape(
    wanted: BertConfig, origins: Mapping[str, str], start: StartingPoint
) -> BertConfig:
    """The shape of a run that starts from a checkpoint: the checkpoint's.

    What the user gave of rates (dropout) and the number of rows is kept.

    Args:
        wanted: by the settings.
        origins: dotted key → where its value comes from; what is absent is a default.
        start: the checkpoint.

    Raises:
        ConfigError: sizes were given that are not those of the checkpoint; lists them.
    """
    given = {
        item.name: getattr(wanted, item.name)
        for item in fields(BertConfig)
        if f"model.{item.name}" in origins
    }
    rows = {"vocab_size": start.shape.vocab_size}  # which padding may change: see `require_rows`
    changes = differences(start.shape, replace(start.shape, **{**given, **rows}))
    if changes:
        places = sorted({origins[f"model.{name}"] for name in given})
        raise ConfigError(
            f"{start.path} has another shape than the settings of {', '.join(places)}:"
            f" {'; '.join(changes)}",
            "leave the model's sizes out: they are those of the checkpoint",
        )
    return replace(start.shape, **given)
