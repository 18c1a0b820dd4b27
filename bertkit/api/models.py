"""Public functions for models and tokenizers as Python objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Place, path, resolved

if TYPE_CHECKING:
    from bertkit.model.standalone.model import Model
    from bertkit.model.standalone.tokenizer import Tokenizer

SEED = 12345  # of every function where none is given


def load_tokenizer(
    source: Place,
    *,
    do_lower_case: bool | None = None,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool | None = None,
) -> Tokenizer:
    """The tokenizer of a vocabulary or of a model.

    Args:
        source: A vocabulary file, `bertkit-uncased-8k`, a checkpoint, or a run.
        do_lower_case: Lower-case the text; None: as the vocabulary or model records.
        strip_accents: Strip accents; None: as recorded.
        tokenize_chinese_chars: Make every CJK ideograph a word; None: as recorded.

    Raises:
        DataError: No vocabulary there, or a broken one.
        ConfigError: The treatment of text contradicts what is recorded.

    Example:
        >>> tokenizer = bertkit.load_tokenizer("bertkit-uncased-8k")
        >>> tokenizer.tokenize("A statement")
        ['a', 'statement']
        >>> tokenizer("A statement")["input_ids"].shape
        torch.Size([1, 4])
    """
    from bertkit.model.standalone.tokenizer import tokenizer_of_vocabulary

    place = path(source)
    treatment = {
        "do_lower_case": do_lower_case,
        "strip_accents": strip_accents,
        "tokenize_chinese_chars": tokenize_chinese_chars,
    }
    if _is_vocabulary(place):
        return tokenizer_of_vocabulary(place, **treatment)
    from bertkit.errors import DataError
    from bertkit.model.standalone.opening import open_tokenizer

    checkpoint = _checkpoint(place)
    found = open_tokenizer(checkpoint, treatment=treatment)
    if found is None:
        raise DataError(f"there is no vocabulary beside {checkpoint}", "give the vocabulary file")
    return found


def load_model(
    checkpoint: Place,
    *,
    vocab: Place | None = None,
    model_config: Place | None = None,
    do_lower_case: bool | None = None,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool | None = None,
) -> Model:
    """A checkpoint of any format as a torch module, on the CPU, in evaluation mode.

    Args:
        checkpoint: In any format that bertkit reads, or a run: its best model, or its last one.
        vocab: Vocabulary, where none lies beside the checkpoint.
        model_config: `config.json` or `bert_config.json`, where none lies beside it.
        do_lower_case: Of the tokenizer; None: as the checkpoint records.
        strip_accents: Of the tokenizer; None: as recorded.
        tokenize_chinese_chars: Of the tokenizer; None: as recorded.

    Returns:
        A module that is called as the class of transformers that its `architecture` names.

    Raises:
        DataError: No checkpoint, or a damaged one.
        ConfigError: A model that is not BERT, missing tensors, or another vocabulary.

    Example:
        >>> model = bertkit.load_model("runs/tiny")
        >>> model.architecture
        'BertForPreTraining'
        >>> model(**model.tokenizer("A statement")).logits.shape
        torch.Size([1, 4, 1024])
        >>> len(model.fill_mask("The [MASK] statement.", count=3)[0])
        3
    """
    from bertkit.model.standalone.opening import open_model

    return open_model(
        _checkpoint(path(checkpoint)),
        model_config=None if model_config is None else path(model_config),
        vocab=None if vocab is None else path(vocab),
        treatment={
            "do_lower_case": do_lower_case,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
        },
    )


def new_model(
    config: Config = None,
    *,
    vocab: Place | None = None,
    preset: str | None = None,
    seed: int = SEED,
    **settings: Any,
) -> Model:
    """A model for pretraining with new weights, those that `pretrain` begins with.

    Args:
        config: Its shape: a mapping, a `config.json` or a `BertConfig`.
        vocab: Vocabulary that it is for, which gives it its size and its tokenizer.
        preset: A shipped recipe whose shape to take, see `presets`.
        seed: Of the weights; the same one gives the same weights.
        **settings: Single settings by name, such as `hidden_size=256`.

    Returns:
        A module in training mode.

    Raises:
        ConfigError: A wrong or unknown setting, or a size that is too small for `vocab`.

    Example:
        >>> model = bertkit.new_model(preset="tiny", vocab="vocab.txt")
        >>> model.config.hidden_size, model.config.vocab_size
        (128, 1024)
    """
    from bertkit.configuration.config import Layer, load_preset
    from bertkit.errors import ConfigError
    from bertkit.model.config import BertConfig
    from bertkit.model.standalone.opening import make_model
    from bertkit.model.standalone.tokenizer import tokenizer_of_vocabulary

    tokenizer = None if vocab is None else tokenizer_of_vocabulary(path(vocab))
    below = [Layer("vocab", {"vocab_size": len(tokenizer)})] if tokenizer else []
    if preset is not None:
        below.append(Layer(f"preset {preset}", load_preset(preset).get("model", {})))
    if isinstance(config, (str, os.PathLike)):
        config = BertConfig.from_file(path(config))
    shape = resolved(BertConfig, config, settings, below=below).config
    if tokenizer and len(tokenizer) > shape.vocab_size:
        raise ConfigError(
            f"the vocabulary has {len(tokenizer)} entries, vocab_size is {shape.vocab_size}",
            "leave vocab_size out",
        )
    return make_model(shape, tokenizer, seed)


def _is_vocabulary(place: str) -> bool:
    """Whether a name is that of a vocabulary, not of a model."""
    from bertkit.errors import DataError
    from bertkit.tokenization.vocabulary import find_vocab

    if os.path.isdir(place):
        return False
    try:
        return not find_vocab(place).endswith((".ckpt", ".bin", ".pt", ".safetensors", ".mdl"))
    except DataError:
        return False


def _checkpoint(place: str) -> Path:
    from bertkit.model.checkpoints.places import local_checkpoint
    from bertkit.tasks.finetuning.open import starting_point

    local = local_checkpoint(place)
    return starting_point(local, local, trains=False)
