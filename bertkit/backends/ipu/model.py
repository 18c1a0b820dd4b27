"""Wraps the model for PopTorch: pipeline stages, padded inputs, one call per step.

The engine divides the first dimension of every input over replicas and micro-batches. So
all arrays are brought into the form [sequences, ...], and numbers of rows count within
their own sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bertkit.backends.base import Task
from bertkit.backends.ipu.engine_options import poptorch
from bertkit.backends.ipu.pipeline import Pipeline
from bertkit.data.step_batch import MicroBatch
from bertkit.model.heads import BertForPreTraining

# These hold numbers of rows.
_POINTERS = ("cls_rows", "mlm_rows")
# These tell sequences from padding and stay tables.
_TABLES = ("mask", "sequence_numbers")


def by_sequence(batch: MicroBatch) -> dict[str, np.ndarray]:
    """The arrays of a micro-batch of fixed shapes, [N, ...], int32 and float32."""
    table = next(batch.arrays[name] for name in _TABLES if name in batch.arrays)
    rows = {}
    for name, values in batch.arrays.items():
        found = values.reshape(len(table), -1)
        if name in _POINTERS:
            found = found % table.shape[1]
        kind = np.float32 if values.dtype.kind == "f" else np.int32
        rows[name] = np.ascontiguousarray(found, kind)
    return rows


def joined(parts: Sequence[Mapping[str, np.ndarray]], sequences: int) -> dict[str, Tensor]:
    """Arrays one after the other, with empty sequences of weight 0 up to a number."""
    tensors = {}
    for name, first in parts[0].items():
        whole = np.zeros((sequences, *first.shape[1:]), first.dtype)
        end = 0
        for part in parts:
            begin, end = end, end + len(part[name])
            whole[begin:end] = part[name]
        tensors[name] = torch.from_numpy(whole)
    return tensors


class LossModule(nn.Module):
    """What one micro-batch computes: the loss and the sums of a task.

    Its Python runs once, when the engine compiles it; whatever changes from call to call
    comes in as a tensor.

    Args:
        model: bertkit's.
        task: gives the loss.
        names: of the inputs, in their order.
        scales: see `MicroBatch`; the same in every step.
        training: mark the loss that is to be minimised.

    Attributes:
        outputs: names of what `forward` returns, known once it has run.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        names: Sequence[str],
        scales: Mapping[str, float],
        training: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.names = tuple(names)
        self.scales = dict(scales)
        self.trains = training
        self.outputs: tuple[str, ...] = ()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The loss, then what the task reports; sums as [1], so that calls can be told apart."""
        tensors = {}
        for name, value in zip(self.names, inputs, strict=True):
            wide = value if value.is_floating_point() else value.long()
            keeps = name in _TABLES or name in _POINTERS
            tensors[name] = wide if keeps else wide.reshape(-1)
        batch = MicroBatch({}, _NOTHING, scales=self.scales)
        loss, found = self.task.losses(self.model, tensors, batch)
        if self.trains:
            # The loss is no single operator of PyTorch, so the engine must be told.
            loss = poptorch().identity_loss(loss, reduction="none")
        self.outputs = ("loss", *found)
        return (loss.reshape(1), *(value.float().reshape(-1) for value in found.values()))


_NOTHING = np.zeros(0, np.int64)


def place_stages(model: nn.Module, pipeline: Pipeline, recomputation: bool) -> None:
    """Mark where each stage begins, and what is kept for the backward pass.

    Args:
        model: bertkit's, for pretraining or with another head; may be marked already.
        pipeline: of the model.
        recomputation: keep the output of every layer only, and compute the rest again.
    """
    engine, parts = poptorch(), _parts(model)
    engine.removeBlocks(model)
    start = 0
    for stage in pipeline.stages:
        if start == 0 and stage is pipeline.stages[0]:
            where = parts["embeddings"]
        elif stage.layers:
            where = parts["layers"][start]
        else:
            where = parts["heads"]
        engine.BeginBlock(where, user_id=stage.name, ipu_id=stage.ipu)
        start += stage.layers
    if recomputation:
        for layer in parts["layers"]:
            layer.register_forward_hook(_keep_output)


def serialise_embedding(model: nn.Module, pieces: int) -> None:
    """Multiply with the word embedding in pieces, which need less memory at a time."""
    if pieces > 1 and isinstance(model, BertForPreTraining):
        model.project = _SerialProjection(pieces)


class _SerialProjection:
    """The product with a large matrix, cut along its rows."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def __call__(self, rows: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
        """`functional.linear`, some output columns at a time."""
        engine = poptorch()
        mode = engine.MatMulSerializationMode.OutputChannels
        product: Tensor = engine.serializedMatMul(rows, matrix.t(), mode, self.pieces)
        return product + bias


def _keep_output(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    kept: Tensor = poptorch().recomputationCheckpoint(output)
    return kept


def _parts(model: Any) -> dict[str, Any]:
    if hasattr(model, "cls"):
        head = model.cls.predictions.transform
    elif model.bert.pooler is not None:
        head = model.bert.pooler
    else:
        head = model.qa_outputs if hasattr(model, "qa_outputs") else model.classifier
    return {
        "embeddings": model.bert.embeddings,
        "layers": model.bert.encoder.layer,
        "heads": head,
    }
