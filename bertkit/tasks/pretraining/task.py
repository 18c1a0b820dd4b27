"""What BERT learns in pretraining: masked words, and whether two parts belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

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


@dataclass(frozen=True)
class PretrainTask:
    """Masked LM, with next sentence prediction or without.

    Attributes:
        nsp: train next sentence prediction too.
    """

    nsp: bool = True

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`.

        The weights of the batch hold all factors: nothing that changes from batch to
        batch is a Python number, which a compiling engine would build into its program.
        """
        sums = model(
            token_batch(tensors, batch),
            tensors["mlm_rows"],
            tensors["mlm_labels"],
            tensors["nsp_labels"] if self.nsp else None,
            tensors["mlm_weights"],
            tensors["nsp_weights"],
        )
        loss = sums.pop("loss")
        return loss, {name: value.detach() for name, value in sums.items()}
