"""Checks that a checkpoint has every tensor its model needs, in the right shape."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bertkit.errors import ConfigError, DataError, shortened
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.finite import named, not_finite
from bertkit.model.checkpoints.model_class import ModelClass
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.model.model_types import (
    CLASSIFICATION,
    ENCODER,
    LABEL_HEAD,
    MASKED_LM,
    NEXT_SENTENCE,
    PAIR_HEAD,
    PARTS,
    POOLER,
    PRETRAINING,
    QUESTION_ANSWERING,
    SPAN_HEAD,
    TOKEN_CLASSIFICATION,
    WORD_HEAD,
)
from bertkit.model.parameter_names import layer_number

_MAX_EMPTY_LAYERS = 100  # missing ones are listed up to here; more are a mistake


@dataclass
class Completeness:
    """What a checkpoint lacks, or has beyond its model.

    Attributes:
        architecture: the class of transformers that the tensors make.
        missing: parameters of that class that nothing gave a value.
        unexpected: tensors of the checkpoint that have no place and no known reason.
        misshapen: one text for each tensor of another shape than the configuration says.
        not_finite: parameters and moments that hold NaN or infinity.
        count: of parameters and moments.
    """

    architecture: str
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    count: int = 0


def architecture_of(weights: Mapping[str, Tensor]) -> str:
    """The class of transformers that parameters of these names make, where nothing names it."""

    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in weights)

    if has(SPAN_HEAD):
        return QUESTION_ANSWERING
    if has(LABEL_HEAD):
        return CLASSIFICATION if has(POOLER) else TOKEN_CLASSIFICATION
    if has(PAIR_HEAD):
        return PRETRAINING if has(WORD_HEAD) else NEXT_SENTENCE
    return MASKED_LM if has(WORD_HEAD) else ENCODER


def expected_shapes(
    config: BertConfig, architecture: str, labels: int = 2
) -> dict[str, tuple[int, ...]]:
    """Name → shape of every parameter that a class must have (the decoder is tied).

    Args:
        config: shape of the encoder.
        architecture: class of transformers, one of `PARTS`.
        labels: outputs of its classifier.

    Raises:
        ConfigError: sizes that no tensor can have.
    """
    try:
        with torch.device("meta"):
            model = BertForPreTraining(config)
    except (RuntimeError, OverflowError, TypeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ConfigError(f"the configuration is not valid: {reason}") from error
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for head, rows in (("qa_outputs", 2), ("classifier", labels)):
        shapes |= {f"{head}.weight": (rows, config.hidden_size), f"{head}.bias": (rows,)}
    parts = {part for parts in PARTS.values() for part in parts} - set(PARTS[architecture])
    return {name: shape for name, shape in shapes.items() if not name.startswith(tuple(parts))}


def compare_with_model(
    contents: CheckpointContents, config: BertConfig, kind: ModelClass | None = None
) -> Completeness:
    """Compare the tensors of a checkpoint with the parameters of its model.

    Args:
        contents: of the checkpoint.
        config: shape of the model.
        kind: class of the model; None: the one that the tensors make.

    Raises:
        ConfigError: the configuration is far from anything that was read.
    """
    if config.num_hidden_layers > len(contents.weights) + _MAX_EMPTY_LAYERS:
        raise ConfigError(
            f"the configuration says {config.num_hidden_layers} layers, {contents.path} holds"
            f" {len(contents.weights)} tensors of BERT",
            "give the configuration the checkpoint was made with",
        )
    kind = kind or ModelClass(architecture_of(contents.weights))
    wanted = expected_shapes(config, kind.name, kind.labels)
    has_pooler = any(name.startswith(POOLER) for name in contents.weights)
    if kind.name == ENCODER and not has_pooler:  # add_pooling_layer=False
        wanted = {name: size for name, size in wanted.items() if "pooler" not in name}
    misshapen = [
        f"{name} is {list(contents.weights[name].shape)}, the configuration says {list(shape)}"
        for name, shape in wanted.items()
        if name in contents.weights and tuple(contents.weights[name].shape) != shape
    ]
    missing = [name for name in wanted if name not in contents.weights]
    beyond = [
        record.name
        for record in contents.tensors
        if record.target in contents.weights and _is_beyond(record.target, config)
    ]
    found = not_finite(contents.weights) + not_finite(contents.moments, "moments of ")
    count = len(contents.weights) + sum(map(len, contents.moments.values()))
    unexpected = [*contents.unknown, *beyond]
    return Completeness(kind.name, missing, unexpected, misshapen, found, count)


def _is_beyond(name: str, config: BertConfig) -> bool:
    """A parameter of a layer that the configuration does not have."""
    number = layer_number(name)
    return number is not None and number >= config.num_hidden_layers


def require_complete_checkpoint(
    found: Completeness,
    source: str,
    allow_missing: Sequence[str],
    allow_unexpected: Sequence[str],
) -> None:
    """Refuse a checkpoint that lacks parameters, is not finite, or has unknown tensors.

    Args:
        found: by `compare_with_model`.
        source: name of the checkpoint, for the message.
        allow_missing: patterns (`cls.*`) of our names that may be absent.
        allow_unexpected: patterns of names in the file that may be left out.

    Raises:
        DataError: names tensors that are not finite.
        ConfigError: lists what is missing, surplus or of another shape.
    """
    if found.not_finite:
        raise DataError(
            f"{source}: the model is broken: {named(found.not_finite, found.count)}",
            "the run that wrote it diverged; take an earlier checkpoint",
        )
    missing = [name for name in found.missing if not matches(name, allow_missing)]
    surplus = [name for name in found.unexpected if not matches(name, allow_unexpected)]
    problems = list(found.misshapen[:5])
    if missing:
        problems.append(f"{len(missing)} tensors of {found.architecture} are missing:")
        problems[-1] += f" {shortened(missing, 4)}"
    if surplus:
        problems.append(f"{len(surplus)} tensors have no place: {shortened(surplus, 4)}")
    if problems:
        flags = "--allow-missing PATTERN" if missing else "--allow-unexpected PATTERN"
        hint = "look at --check; another --model-config may fit"
        if missing or surplus:
            hint = f"look at --check; if that is how it should be, give {flags}"
        raise ConfigError(f"{source}: {'; '.join(problems)}", hint)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name is one that a user's patterns (`cls.*`) stand for."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
