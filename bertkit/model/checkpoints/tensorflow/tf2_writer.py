"""Writes TensorFlow 2 object checkpoints of the official BERT: `bert_model.ckpt`.

The mirror of `tf2.py`. With a masked LM head the pretrainer's form, else the encoder's; the
official models' converter has no place for a next sentence head, and a bundle of these forms
no other task's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.model.checkpoints.contents import CheckpointToWrite
from bertkit.model.checkpoints.tensorflow import object_graph
from bertkit.model.checkpoints.tensorflow.bundle_writer import write_bundle
from bertkit.model.checkpoints.tensorflow.google_config import write_google_config
from bertkit.model.checkpoints.tensorflow.tf1_writer import PREFIX
from bertkit.model.checkpoints.tensorflow.tf2 import GRAPH
from bertkit.model.parameter_names import MLM_BIAS, layer_number

_HELD = ("bert.", "cls.predictions.")


def unheld(weights: Mapping[str, Tensor]) -> list[str]:
    """The weights that neither form has a place for."""
    return [name for name in weights if not name.startswith(_HELD)]


def write(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Write `bert_model.ckpt.index` and its data, the note `checkpoint` and `bert_config.json`.

    Args:
        folder: exists.
        checkpoint: its content; numbers are stored as float32.

    Raises:
        ConfigError: with moments of an optimizer, for which the forms have no place.
    """
    if checkpoint.moments:
        raise ConfigError(
            "--to tf2 has no place for an optimizer's moments",
            "leave --keep-optimizer out, or give --to tf1",
        )
    weights, heads = checkpoint.weights, checkpoint.config.num_attention_heads
    layers = 1 + max(number for name in weights if (number := layer_number(name)) is not None)
    head = MLM_BIAS in weights
    message, variables = object_graph.serialised(object_graph.graph(layers, head))
    absent = {placed.source for placed in variables} - weights.keys() - {object_graph.SAVE_COUNTER}
    if absent:
        log.logger.warning(
            "not in the checkpoint, so that their program draws it anew: %s",
            ", ".join(sorted(absent)),
        )
        message, variables = object_graph.serialised(
            object_graph.graph(layers, head, frozenset(absent))
        )
    write_google_config(folder, checkpoint)
    with write_bundle(folder / PREFIX) as bundle:
        for placed in variables:
            if placed.source == object_graph.SAVE_COUNTER:
                bundle.add(placed.key, torch.tensor(1, dtype=torch.int64))
            else:
                value = weights[placed.source].float()
                bundle.add(placed.key, _shaped(value, placed.source, heads))
        bundle.add_text(GRAPH, message)


def _shaped(tensor: Tensor, name: str, heads: int) -> Tensor:
    """[outputs, inputs] turned into [inputs, outputs], and the heads' axis split."""
    if tensor.dim() == 2 and not name.endswith("embeddings.weight"):
        tensor = tensor.t()
    if ".attention.self." in name:
        return tensor.reshape(*tensor.shape[:-1], heads, -1)
    if name.endswith("attention.output.dense.weight"):
        return tensor.reshape(heads, -1, tensor.shape[-1])
    return tensor
