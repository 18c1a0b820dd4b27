"""Opens a checkpoint of any format as a module of its own, and makes models with new weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.model.checkpoints.completeness import architecture_of
from bertkit.model.checkpoints.loading import (
    config_beside,
    load_config,
    load_into,
    load_weights,
    vocab_beside,
)
from bertkit.model.checkpoints.model_class import ModelClass, model_class
from bertkit.model.checkpoints.tokenizer import facts_with
from bertkit.model.classification import REGRESSION, SINGLE, BertForSequenceClassification
from bertkit.model.config import BertConfig, read_config
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.model_types import (
    CLASSIFICATION,
    ENCODER,
    MASKED_LM,
    MULTIPLE_CHOICE,
    NEXT_SENTENCE,
    PAIR_HEAD,
    POOLER,
    PRETRAINING,
    PRETRAINING_HEADS,
    QUESTION_ANSWERING,
    SENTENCES,
    TOKEN_CLASSIFICATION,
    WORD_HEAD,
)
from bertkit.model.sentence_head import BertForSentenceExtraction
from bertkit.model.standalone.heads import Encoder
from bertkit.model.standalone.model import Model
from bertkit.model.standalone.tokenizer import Tokenizer
from bertkit.model.token_classification import BertForTokenClassification
from bertkit.tokenization.vocabulary import find_vocab, load_vocab

# Parts that a class of transformers need not have although ours has them.
_OPTIONAL = {
    PRETRAINING: (POOLER, PAIR_HEAD),
    MASKED_LM: (POOLER, PAIR_HEAD),
    NEXT_SENTENCE: (WORD_HEAD,),
    ENCODER: (POOLER,),
}
# Those that it may have although ours has no place for them.
_UNUSED = (POOLER, PRETRAINING_HEADS)


def open_model(
    path: Path,
    *,
    model_config: str | None = None,
    vocab: str | None = None,
    treatment: Mapping[str, bool | None] | None = None,
) -> Model:
    """A checkpoint as a module, on the CPU, in evaluation mode.

    Args:
        path: In any format that bertkit reads.
        model_config: File with the shape, where none lies beside the checkpoint.
        vocab: Vocabulary, where none lies beside it.
        treatment: Of text, by setting, where nothing records it.

    Raises:
        DataError: None there, or damaged.
        ConfigError: The shape is not known, tensors are missing, or the vocabulary is another.
    """
    shape = load_config(path, model_config)
    weights = load_weights(path, shape.vocab_size)
    kind = _class_of(path, model_config, weights)
    network = _network(kind, shape, weights)
    report = load_into(
        network,
        weights,
        allow_missing=_OPTIONAL.get(kind.name, ()),
        allow_unexpected=_UNUSED,
        source=str(path),
    )
    absent = [name for name in report.missing if name.startswith(_OPTIONAL.get(kind.name, ()))]
    tokenizer = open_tokenizer(path, shape, vocab, treatment)
    if tokenizer is None:
        log.logger.info("there is no vocabulary beside %s: the model has no tokenizer", path)
    return Model(network, kind.name, tokenizer, kind.other_keys, absent).eval()


def open_tokenizer(
    path: Path,
    shape: BertConfig | None = None,
    vocab: str | None = None,
    treatment: Mapping[str, bool | None] | None = None,
) -> Tokenizer | None:
    """The tokenizer of a checkpoint; None where no vocabulary lies beside it and none is given.

    Args:
        path: Of the checkpoint.
        shape: Of its encoder; None: read from it.
        vocab, treatment: As for `open_model`.
    """
    file = find_vocab(vocab) if vocab else vocab_beside(path)
    if file is None:
        return None
    words = load_vocab(file, "last")
    positions = (shape or load_config(path)).max_position_embeddings
    return Tokenizer(words, facts_with(path, words, treatment or {}, positions=positions))


def make_model(shape: BertConfig, tokenizer: Tokenizer | None, seed: int) -> Model:
    """A model for pretraining with new weights: those that `pretrain` begins with.

    Args:
        shape: Of the encoder.
        tokenizer: Of the vocabulary that it is for.
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BertForPreTraining(shape)
    return Model(network, PRETRAINING, tokenizer)


def _class_of(path: Path, model_config: str | None, weights: Mapping[str, Tensor]) -> ModelClass:
    """The class that the configuration names, or that the tensors make."""
    file = Path(model_config) if model_config else config_beside(path)
    values = read_config(file) if file else {}
    return model_class(values, weights, architecture_of(weights), file or path)


def _network(kind: ModelClass, shape: BertConfig, weights: Mapping[str, Tensor]) -> nn.Module:
    """Our class for a class of transformers, with new weights."""
    facts: dict[str, Any] = dict(kind.other_keys)
    if kind.name in (PRETRAINING, MASKED_LM, NEXT_SENTENCE):
        return BertForPreTraining(shape)
    if kind.name == QUESTION_ANSWERING:
        return BertForQuestionAnswering(shape)
    dropout = facts.get("classifier_dropout")
    if kind.name in (CLASSIFICATION, MULTIPLE_CHOICE):
        # As transformers has it: one output is a score, unless something else is said.
        usual = REGRESSION if kind.labels == 1 and kind.name == CLASSIFICATION else SINGLE
        return BertForSequenceClassification(
            shape, kind.labels, facts.get("problem_type") or usual, classifier_dropout=dropout
        )
    if kind.name == TOKEN_CLASSIFICATION:
        return BertForTokenClassification(shape, kind.labels, classifier_dropout=dropout)
    if kind.name == SENTENCES:
        return BertForSentenceExtraction(shape)
    if kind.name == ENCODER:
        return Encoder(shape, any(name.startswith(POOLER) for name in weights))
    raise ConfigError(f"a {kind.name} cannot be loaded", "give a model of another class")
