"""Settles the labels of a classification and their order, and refuses those not known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertkit.errors import ConfigError, DataError
from bertkit.tasks.classify.config import BALANCED, ClassifyConfig
from bertkit.tasks.classify.examples import Example

_SHOWN = 8
# A list of numbers or of quoted names, as NumPy and Python write it into CSV.
_ITEM = r"""(?:-?\d+\.?|'[^']*'|"[^"]*")"""
_LIST = re.compile(rf"\[(?:\s*{_ITEM}(?:[\s,]+{_ITEM})*)?[\s,]*\]")


def label_names(example: Example, config: ClassifyConfig) -> list[str]:
    """The labels of an example: one, or any number with `--multi-label`.

    Raises:
        DataError: a number with a fraction, an object, a list of 0 and 1 or in a text; or several
            where one is wanted.
    """
    value = example.label
    if isinstance(value, str) and not example.named and _LIST.fullmatch(value.strip()):
        raise DataError(
            f"{example.place}: the label {value.strip()[:40]!r} is a list written as text",
            "CSV holds no lists: write the data set as Parquet or JSON lines",
        )
    if config.multi_label and isinstance(value, str) and not example.named:
        value = [part.strip() for part in value.split(config.label_separator) if part.strip()]
    if isinstance(value, (list, tuple)):
        if not config.multi_label:
            raise DataError(f"{example.place}: several labels", "give --multi-label")
        if _are_flags(value):
            raise DataError(
                f"{example.place}: the labels are a list of 0 and 1, one for every label",
                "list those that are 1 by number or name, or give each label a column of its own",
            )
        return [_name(part, example, config) for part in value]
    return [_name(value, example, config)]


def _are_flags(values: Sequence[Any]) -> bool:
    """Whether a list tells of every label if it is one, and is no list of labels."""
    numbers = [value for value in values if isinstance(value, (bool, int, float))]
    if len(numbers) < len(values) or not set(numbers) <= {0, 1}:
        return False
    return any(isinstance(value, bool) for value in numbers) or len(set(numbers)) < len(numbers)


def _name(value: Any, example: Example, config: ClassifyConfig) -> str:
    """A label as a name."""
    if example.named and isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, bytes)) or value is None:
        raise DataError(f"{example.place}: the label is no name")
    name = str(value).strip()
    if name not in config.labels and _has_fraction(name):
        raise DataError(
            f"{example.place}: the label {name} is a number with a fraction",
            "learn scores with --task regress, or name the labels: --labels",
        )
    return name


def _has_fraction(name: str) -> bool:
    if name.lstrip("+-").isdecimal():
        return False
    try:
        float(name)
    except ValueError:
        return False
    return any(mark in name for mark in ".eE")


def require_several(examples: Sequence[Example], config: ClassifyConfig) -> Counter[str]:
    """How often each label occurs in the training file.

    Raises:
        DataError: there is only one class to learn.
    """
    counts = Counter(name for example in examples for name in label_names(example, config))
    if len(counts) < (1 if config.multi_label else 2):
        only = ", ".join(counts) or "none"
        raise DataError(
            f"{config.train_file}: all {len(examples):,} examples have the label {only}",
            "there is nothing to tell apart: give examples of two labels at least",
        )
    return counts


def settled_labels(
    examples: Sequence[Example], config: ClassifyConfig, classes: Sequence[str] = ()
) -> list[str]:
    """The labels of the training file: in the order that it notes (`classes`), or sorted.

    Raises:
        DataError: see `require_several`.
    """
    counts = require_several(examples, config)
    if classes:
        return list(classes)
    whole = all(name.lstrip("+-").isdecimal() for name in counts)
    return sorted(counts, key=int) if whole else sorted(counts)


def numbers(example: Example, ids: Mapping[str, int], config: ClassifyConfig) -> int | np.ndarray:
    """The label of an example as a number; several as float32 [C] of 0 and 1.

    Raises:
        DataError: a label that is not known; names the place.
    """
    names = [_numbered(name, ids, config) for name in label_names(example, config)]
    unknown = next((name for name in names if name not in ids), None)
    if unknown is not None:
        known = ", ".join(list(ids)[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
        raise DataError(
            f"{example.place}: the label {unknown!r} is not known",
            f"labels of the training: {known}; see --labels",
        )
    if not config.multi_label:
        return ids[names[0]]
    found = np.zeros(len(ids), np.float32)
    found[[ids[name] for name in names]] = 1.0
    return found


def _numbered(name: str, ids: Mapping[str, int], config: ClassifyConfig) -> str:
    """A label; of a number from 0 the name that `--labels` gives it, where no label is a number."""
    if name in ids or not config.labels or not name.isdecimal() or int(name) >= len(ids):
        return name
    return name if any(map(str.isdecimal, ids)) else list(ids)[int(name)]


def class_weights(
    config: ClassifyConfig, labels: Sequence[str], targets: Sequence[Any]
) -> list[float]:
    """The factor of each label in the loss; empty where none are asked for.

    `balanced` is examples / (labels x examples of the label), as scikit-learn has it.

    Args:
        config: the settings.
        labels: in their order.
        targets: of the training examples, as `numbers` gives them.

    Raises:
        ConfigError: of another form, or an unknown label.
    """
    if not config.class_weights:
        return []
    if config.class_weights == [BALANCED]:
        if config.multi_label:
            counts = np.sum(targets, axis=0)
        else:
            counts = np.bincount(np.asarray(targets, np.int64), minlength=len(labels))
        return [len(targets) / (len(labels) * max(1.0, float(count))) for count in counts]
    weights = dict.fromkeys(labels, 1.0)
    for word in config.class_weights:
        name, equals, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not equals or name not in weights or not 0 <= value < float("inf"):
            raise ConfigError(
                f"--class-weights {word}: expected {BALANCED}, or LABEL=NUMBER of the labels"
                f" {', '.join(labels[:_SHOWN])}"
            )
        weights[name] = value
    return list(weights.values())
