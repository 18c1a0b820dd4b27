"""`ckpt_N.pt` of NVIDIA's and Habana's PyTorch BERT, read and written.

A dictionary: `model` (parameters by name), `optimizer` (its state_dict, parameters by
number), `files`, `epoch`, `data_loader`. Their linear layers with an activation are
called `dense_act`. The optimizer numbers the parameters of its first group, which have
weight decay, before those of the second, biases and layer norms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bertkit.errors import DataError
from bertkit.files import atomic_write
from bertkit.model.checkpoints.contents import (
    DECODER,
    MOMENTS,
    WORDS,
    Reading,
    decays,
    no_moments,
    numbered,
    our_name,
    take_moment,
    take_named,
)
from bertkit.model.checkpoints.pickles import load_inert

NAME = re.compile(r"ckpt_(\d+)\.pt")
_WITH_ACTIVATION = re.compile(
    r"(intermediate|bert\.pooler|cls\.predictions\.transform)\.dense\.(weight|bias)$"
)


def read(path: Path, moments: bool = False) -> Reading:
    """Sort the tensors of a checkpoint file.

    Args:
        path: `ckpt_N.pt`, or any file with a `model` dictionary.
        moments: also take the optimizer's moments.

    Raises:
        DataError: another kind of file, or the moments do not belong to the weights.
    """
    content = load_inert(path)
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping) or not model:
        raise DataError(f"{path}: has no `model` dictionary of tensors")
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path}: entry {str(name)[:60]!r} of `model` is not a tensor")
    reading = Reading("nvidia", path)
    match = NAME.fullmatch(path.name)
    reading.step = int(match[1]) if match else None
    targets = {name: our_name(name).replace(".dense_act.", ".dense.") for name in model}
    take_named(reading, model, targets)
    if moments:
        _take_moments(reading, content.get("optimizer"), targets)
    return reading


def _take_moments(reading: Reading, optimizer: Any, targets: Mapping[str, str]) -> None:
    state = optimizer.get("state") if isinstance(optimizer, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise no_moments(reading.place)
    names = numbered(target for target in targets.values() if target in reading.weights)
    for number, values in state.items():
        name = names[number] if isinstance(number, int) and 0 <= number < len(names) else ""
        for moment in MOMENTS:
            value = values.get(moment) if isinstance(values, Mapping) else None
            take_moment(reading, f"number {number}, {moment}", value, name, moment)


def write(
    path: Path,
    weights: Mapping[str, Tensor],
    moments: Mapping[str, Mapping[str, Tensor]],
    step: int,
) -> None:
    """Write a checkpoint that NVIDIA's and Habana's programs start from.

    Args:
        path: the file, `ckpt_N.pt`.
        weights: by our names.
        moments: by our names; may be empty.
        step: of the optimizer.
    """
    model = {_WITH_ACTIVATION.sub(r"\1.dense_act.\2", name): weights[name] for name in weights}
    if "cls.predictions.bias" in weights:
        model[DECODER] = weights[WORDS]  # the same storage, as there
    names = numbered(weights)
    state = {
        number: {"step": step, **{moment: moments[name][moment] for moment in MOMENTS}}
        for number, name in enumerate(names)
        if name in moments
    }
    decaying = sum(map(decays, names))
    groups = [
        {"params": list(range(decaying)), "weight_decay": 0.01, "step": step},
        {"params": list(range(decaying, len(names))), "weight_decay": 0.0, "step": step},
    ]
    content = {
        "model": model,
        "optimizer": {"state": state, "param_groups": groups},
        "files": [],
        "epoch": 0,
        "data_loader": None,
    }
    with atomic_write(path) as stream:
        torch.save(content, stream)
