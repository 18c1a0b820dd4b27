"""Writes TensorFlow 1 checkpoints as Google's BERT release has them: `bert_model.ckpt`.

The mirror of `tf1.py`: names with slashes, matrices as [inputs, outputs], sorted by name, so
that the files are those that TensorFlow's Saver writes for the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from bertkit.model.checkpoints.contents import CheckpointToWrite
from bertkit.model.checkpoints.tensorflow import tf1
from bertkit.model.checkpoints.tensorflow.bundle_writer import write_bundle
from bertkit.model.checkpoints.tensorflow.google_config import write_google_config

PREFIX = "bert_model.ckpt"
_STEP = "global_step"
# Both Google's Adam and MLPerf's LAMB call their slots so.
_SLOTS = {"exp_avg": "adam_m", "exp_avg_sq": "adam_v"}
_OUR_PLAIN = {ours: theirs for theirs, ours in tf1.PLAIN.items()}


def their_name(name: str) -> tuple[str, bool]:
    """(name in TensorFlow, whether the matrix is to be transposed); empty if there is none."""
    if name in _OUR_PLAIN:
        return _OUR_PLAIN[name], False
    module, _, kind = name.rpartition(".")
    norm = module.endswith("LayerNorm")
    parameter = {"weight": "gamma" if norm else "kernel", "bias": "beta" if norm else "bias"}
    path = module.replace("encoder.layer.", "encoder/layer_").replace(".", "/")
    found = f"{path}/{parameter.get(kind, '')}"
    ours, transpose = tf1.our_name(found)
    return (found, transpose) if ours == name else ("", False)


def unheld(weights: Mapping[str, Tensor]) -> list[str]:
    """The weights that the form has no name for."""
    return [name for name in weights if not their_name(name)[0]]


def write(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Write `bert_model.ckpt.index` and its data, the note `checkpoint` and `bert_config.json`.

    Args:
        folder: exists.
        checkpoint: its content; numbers are stored as float32, which is what these programs
            restore; moments become the slots of Adam.
    """
    sources: dict[str, tuple[Tensor, bool]] = {}
    for name, value in checkpoint.weights.items():
        theirs, transpose = their_name(name)
        sources[theirs] = value, transpose
        for moment, state in checkpoint.moments.get(name, {}).items():
            sources[f"{theirs}/{_SLOTS[moment]}"] = state, transpose
    if checkpoint.step is not None:
        sources[_STEP] = torch.tensor(checkpoint.step, dtype=torch.int64), False
    write_google_config(folder, checkpoint)
    with write_bundle(folder / PREFIX) as bundle:
        for theirs, (value, transpose) in sorted(sources.items()):
            single = value.float() if value.is_floating_point() else value
            bundle.add(theirs, single.t() if transpose else single)
