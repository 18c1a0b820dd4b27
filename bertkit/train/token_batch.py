"""Turns the tensors of a micro-batch into what the encoder takes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bertkit.data.step_batch import MicroBatch
from bertkit.model.attention import Layout, PackedLayout, PaddedLayout, UnpaddedLayout
from bertkit.model.bert import TokenBatch


def token_batch(tensors: Mapping[str, Tensor], batch: MicroBatch) -> TokenBatch:
    """A micro-batch as the model takes it.

    Args:
        tensors: `batch.arrays` on the model's device.
        batch: says the layout.
    """
    layout: Layout
    if "sequence_numbers" in tensors:
        layout = PackedLayout(tensors["sequence_numbers"])
    elif "mask" in tensors:
        batch_size, length = tensors["mask"].shape
        layout = PaddedLayout(batch_size, length, tensors["mask"])
    else:
        spans = batch.lengths if batch.spans is None else batch.spans
        layout = UnpaddedLayout(spans, tensors["cumulative"], batch.longest)
    return TokenBatch(
        tensors["ids"], tensors["segments"], tensors["positions"], tensors["cls_rows"], layout
    )
