"""Checks that a checkpoint has every tensor its model needs, in the right shape."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bertkit.errors import ConfigError, DataError
from bertkit.model.bert import BertModel
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.finite import named, not_finite
from bertkit.model.checkpoints.loading import shortened
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.parameter_names import layer_number

# Classes of transformers.
QUESTION_ANSWERING = "BertForQuestionAnswering"
CLASSIFICATION = "BertForSequenceClassification"
PRETRAINING = "BertForPreTraining"
MASKED_LM = "BertForMaskedLM"
ENCODER = "BertModel"
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
    """The class of transformers that parameters of these names make."""

    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in weights)

    if has("qa_outputs."):
        return QUESTION_ANSWERING
    if has("classifier."):
        return CLASSIFICATION
    if has("cls.seq_relationship."):
        return PRETRAINING
    return MASKED_LM if has("cls.predictions.") else ENCODER


def expected_shapes(config: BertConfig, architecture: str) -> dict[str, tuple[int, ...]]:
    """Name → shape of every parameter that a class must have (the decoder is tied).

    Raises:
        ConfigError: sizes that no tensor can have.
    """
    try:
        with torch.device("meta"):
            model: torch.nn.Module
            if architecture == QUESTION_ANSWERING:
                model = BertForQuestionAnswering(config)
            elif architecture in (PRETRAINING, MASKED_LM):
                model = BertForPreTraining(config)
            else:
                model = BertModel(config)
    except (RuntimeError, OverflowError, TypeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ConfigError(f"the configuration is not valid: {reason}") from error
    prefix = "bert." if isinstance(model, BertModel) else ""
    shapes = {prefix + name: tuple(value.shape) for name, value in model.state_dict().items()}
    if architecture == MASKED_LM:
        optional = ("cls.seq_relationship.", "bert.pooler.")
        return {name: shape for name, shape in shapes.items() if not name.startswith(optional)}
    return shapes


def compare_with_model(contents: CheckpointContents, config: BertConfig) -> Completeness:
    """Compare the tensors of a checkpoint with the parameters of its model.

    Raises:
        ConfigError: the configuration is far from anything that was read.
    """
    if config.num_hidden_layers > len(contents.weights) + _MAX_EMPTY_LAYERS:
        raise ConfigError(
            f"the configuration says {config.num_hidden_layers} layers, {contents.path} holds"
            f" {len(contents.weights)} tensors of BERT",
            "give the configuration the checkpoint was made with",
        )
    architecture = architecture_of(contents.weights)
    wanted = expected_shapes(config, architecture)
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
    return Completeness(architecture, missing, unexpected, misshapen, found, count)


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
    missing = [name for name in found.missing if not _matches(name, allow_missing)]
    surplus = [name for name in found.unexpected if not _matches(name, allow_unexpected)]
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


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
