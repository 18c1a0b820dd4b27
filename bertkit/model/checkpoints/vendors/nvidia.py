"""Reads and writes checkpoints of NVIDIA's and Habana's PyTorch BERT, `ckpt_N.pt`.

A dictionary: `model` (parameters by name), `optimizer` (its state_dict, parameters by
number), `files`, `epoch`, `data_loader`. Their linear layers with an activation are
called `dense_act`. The optimizer numbers the parameters of its first group, which have
weight decay, before those of the second, biases and layer norms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bertkit.errors import DataError
from bertkit.model.checkpoints.contents import (
    CheckpointContents,
    CheckpointToWrite,
    no_optimizer_state,
)
from bertkit.model.checkpoints.formats import newest
from bertkit.model.checkpoints.vendors.safe_pickle import load_with_stand_ins
from bertkit.model.parameter_names import (
    MLM_BIAS,
    MLM_DECODER,
    MOMENTS,
    WORD_EMBEDDINGS,
    from_pytorch_name,
    has_weight_decay,
    in_module_order,
    in_optimizer_order,
    layer_number,
    pretraining_parameters,
)
from bertkit.storage.files import atomic_write

NAME = re.compile(r"ckpt_(\d+)\.pt")
_WITH_ACTIVATION = re.compile(
    r"(intermediate|bert\.pooler|cls\.predictions\.transform)\.dense\.(weight|bias)$"
)


def find(path: Path) -> Path | None:
    """A checkpoint file; of a folder, the one of the highest number."""
    if path.is_dir():
        return newest(path, NAME)
    return path if path.is_file() and path.suffix in (".pt", ".pth") else None


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a checkpoint file.

    Args:
        path: `ckpt_N.pt`, or any file with a `model` dictionary.
        moments: also take the optimizer's moments.

    Raises:
        DataError: another kind of file, or the moments do not belong to the weights.
    """
    file = load_with_stand_ins(path)
    model = file.get("model") if isinstance(file, Mapping) else None
    if not isinstance(model, Mapping) or not model:
        raise DataError(
            f"{path}: has no `model` dictionary of tensors, as NVIDIA's checkpoints have",
            "a file of named tensors is read as pytorch_model.bin in a folder with its config.json",
        )
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path}: entry {str(name)[:60]!r} of `model` is not a tensor")
    contents = CheckpointContents("nvidia", path)
    match = NAME.fullmatch(path.name)
    contents.step = int(match[1]) if match else None
    targets = {name: from_pytorch_name(name).replace(".dense_act.", ".dense.") for name in model}
    contents.add_pytorch_weights(model, targets)
    if moments:
        _add_moments(contents, file.get("optimizer"), targets)
    return contents


def _add_moments(contents: CheckpointContents, optimizer: Any, targets: Mapping[str, str]) -> None:
    state = optimizer.get("state") if isinstance(optimizer, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise no_optimizer_state(contents.path)
    own = [target for target in targets.values() if target in contents.weights]
    names = _numbered(contents, own, optimizer.get("param_groups"))
    for number, values in state.items():
        name = names[number] if isinstance(number, int) and 0 <= number < len(names) else ""
        for moment in MOMENTS:
            value = values.get(moment) if isinstance(values, Mapping) else None
            contents.add_checked_moment(f"number {number}, {moment}", value, name, moment)


def _numbered(contents: CheckpointContents, own: Sequence[str], groups: Any) -> list[str]:
    """The parameters by the optimizer's numbers; the file lists them in the model's order.

    Args:
        contents: for messages.
        own: parameters in the file, in its order.
        groups: the optimizer's `param_groups`.

    Raises:
        DataError: its groups are others than those of NVIDIA's and Habana's programs.
    """
    groups = groups if isinstance(groups, list) else []
    held = [group.get("params") if isinstance(group, Mapping) else None for group in groups]
    sizes = [len(numbers) if isinstance(numbers, list) else 0 for numbers in held]
    # A file without some head still has an optimizer for all of their model.
    whole = in_module_order({*own, *_their_parameters(own)})
    for names in (in_optimizer_order(own), in_optimizer_order(whole)):
        decaying = sum(map(has_weight_decay, names))
        if sizes == [decaying, len(names) - decaying]:
            return names
    raise no_optimizer_state(
        contents.path,
        f"its optimizer has groups of {sizes} parameters, not those of NVIDIA's and Habana's"
        " programs",
    )


def write(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Write `ckpt_N.pt`, N the step, with the model's `bert_config.json` beside it.

    Args:
        folder: exists.
        checkpoint: its content.
    """
    step = checkpoint.step or 0
    write_file(
        folder / f"ckpt_{step}.pt",
        checkpoint.weights,
        checkpoint.moments,
        step=step,
        settings=checkpoint.settings,
    )
    checkpoint.write_config(folder / "bert_config.json")


def write_file(
    path: Path,
    weights: Mapping[str, Tensor],
    moments: Mapping[str, Mapping[str, Tensor]],
    *,
    step: int,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint that NVIDIA's and Habana's programs start from.

    Args:
        path: the file, `ckpt_N.pt`.
        weights: by our names.
        moments: by our names; may be empty.
        step: of the optimizer.
        settings: of the run, for the optimizer's groups.
    """
    ordered = in_module_order(weights)
    model = {_WITH_ACTIVATION.sub(r"\1.dense_act.\2", name): weights[name] for name in ordered}
    if MLM_BIAS in weights:
        model[MLM_DECODER] = weights[WORD_EMBEDDINGS]  # the same storage, as there
    # Their optimizer has every parameter of their model; without moments it starts with zeros.
    names = in_optimizer_order(in_module_order({*ordered, *_their_parameters(ordered)}))
    state = {
        number: {"step": step, **{moment: moments[name][moment] for moment in MOMENTS}}
        for number, name in enumerate(names)
        if name in moments
    }
    decaying = sum(map(has_weight_decay, names))
    group = _group_settings(settings or {}, step)
    groups = [
        {**group, "params": list(range(decaying))},
        {**group, "params": list(range(decaying, len(names))), "weight_decay": 0.0},
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


def _their_parameters(names: Sequence[str]) -> list[str]:
    """The parameters of the model that their pretraining trains; none for another head's."""
    if any(name.startswith(("qa_outputs.", "classifier.")) for name in names):
        return []
    numbers = [number for name in names if (number := layer_number(name)) is not None]
    return pretraining_parameters(max(numbers, default=-1) + 1)


def _group_settings(settings: Mapping[str, Any], step: int) -> dict[str, Any]:
    """What LAMB and Adam keep per group: PyTorch replaces the whole group when it loads one."""
    return {
        "lr": settings.get("learning_rate", 1e-3),
        "betas": (settings.get("beta1", 0.9), settings.get("beta2", 0.999)),
        "eps": settings.get("eps", 1e-6),
        "weight_decay": settings.get("weight_decay", 0.01),
        "bias_correction": True,
        "grad_averaging": True,
        "max_grad_norm": settings.get("max_grad_norm", 1.0),
        "step": step,
    }
