"""Finds tensors of a checkpoint that hold NaN or infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bertkit.errors import DataError, shortened

_SHOWN = 3


def is_finite(tensor: Tensor) -> bool:
    """Whether every element is a finite number.

    One pass: a sum has NaN or infinity in it as soon as one element does. Only where it has,
    which large finite elements can cause too, elements are looked at one by one.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    total = tensor.sum(dtype=torch.promote_types(tensor.dtype, torch.float32))
    return math.isfinite(float(total)) or bool(torch.isfinite(tensor).all())


def not_finite(tensors: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The names of what is not finite in nested mappings of tensors and numbers.

    Args:
        tensors: name → tensor, number, mapping, or anything else, which is passed over.
        prefix: put in front of the names.
    """
    found: list[str] = []
    for key, value in tensors.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += not_finite(value, f"{name}.")
        elif isinstance(value, Tensor):
            found += [] if is_finite(value) else [name]
        elif isinstance(value, float) and not math.isfinite(value):
            found.append(name)
    return found


def named(names: list[str], count: int) -> str:
    """`3 of 46 tensors are not finite: a, b, c`, for messages."""
    some = shortened(names, _SHOWN)
    return f"{len(names)} of {count} tensors are not finite (NaN or infinity): {some}"


def require_finite(weights: Mapping[str, Tensor], source: object) -> None:
    """Check the weights of a checkpoint that is about to be used.

    Args:
        weights: by name.
        source: file or folder they come from.

    Raises:
        DataError: some are not finite; names them.
    """
    found = not_finite(weights)
    if found:
        raise DataError(
            f"{source}: the model is broken: {named(found, len(weights))}",
            "the run that wrote it diverged; take an earlier checkpoint",
        )
