"""Holds what a checkpoint's `config.json` says beyond the shape: class, labels, unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from bertkit.model.config import BertConfig
from bertkit.model.model_types import (
    CLASSIFICATION,
    MULTIPLE_CHOICE,
    SENTENCES,
    TOKEN_CLASSIFICATION,
    class_of_config,
    require_convertible,
)

_LABELLED = (CLASSIFICATION, TOKEN_CLASSIFICATION)
_USUAL_LABELS = 2
# Written from what is known, so never taken over.
_OWN_KEYS = {"architectures", "model_type", "torch_dtype", "dtype"}


@dataclass(frozen=True)
class ModelClass:
    """The class of a model, and what goes with it.

    Attributes:
        name: of the class in transformers.
        labels: outputs of its classifier.
        other_keys: further keys of its `config.json`: names of labels, and all that bertkit
            does not know.
    """

    name: str
    labels: int = _USUAL_LABELS
    other_keys: Mapping[str, Any] = field(default_factory=dict)


def beyond_shape(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a `config.json` says beyond the shape and the class."""
    shape = {item.name for item in fields(BertConfig)}
    return {key: value for key, value in values.items() if key not in shape | _OWN_KEYS}


def model_class(
    values: Mapping[str, Any], weights: Mapping[str, Tensor], guess: str, origin: object
) -> ModelClass:
    """The class of a checkpoint, which its `config.json` decides where it names one.

    Args:
        values: of `config.json` or `bert_config.json`; empty without one.
        weights: of the checkpoint, by our names.
        guess: the class that the tensors make.
        origin: of `values`, for messages.

    Raises:
        ConfigError: a class that cannot be written; names it.
    """
    name = class_of_config(values) or guess
    require_convertible(name, origin)
    others = beyond_shape(values)
    if name in (MULTIPLE_CHOICE, SENTENCES):
        return ModelClass(name, 1, others)
    known = others.get("id2label")
    if isinstance(known, Mapping) and known:
        return ModelClass(name, len(known), others)
    if isinstance(others.get("num_labels"), int):
        return ModelClass(name, others["num_labels"], others)
    # Nothing names the labels: transformers would take two, whatever the tensor has.
    classifier = weights.get("classifier.bias")
    if name not in _LABELLED or classifier is None or len(classifier) == _USUAL_LABELS:
        return ModelClass(name, _USUAL_LABELS, others)
    names = [f"LABEL_{number}" for number in range(len(classifier))]
    others["id2label"] = {str(number): label for number, label in enumerate(names)}
    others["label2id"] = {label: number for number, label in enumerate(names)}
    return ModelClass(name, len(names), others)
