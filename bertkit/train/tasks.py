"""What BERT learns in pretraining: masked words, and whether two parts belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from bertkit.data.batches import MicroBatch
from bertkit.model.attention import PaddedLayout, UnpaddedLayout
from bertkit.model.bert import TokenBatch


def token_batch(tensors: Mapping[str, Tensor], batch: MicroBatch) -> TokenBatch:
    """A micro-batch as the model takes it.

    Args:
        tensors: `batch.arrays` on the model's device.
        batch: says the layout.
    """
    layout: PaddedLayout | UnpaddedLayout
    if batch.padded_length:
        layout = PaddedLayout(batch.sequences, batch.padded_length, tensors["mask"])
    else:
        layout = UnpaddedLayout(batch.lengths, tensors["cumulative"])
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
        """See `bertkit.backends.base.Task`; needs the scales `mlm` and `nsp`."""
        sums = model(
            token_batch(tensors, batch),
            tensors["mlm_rows"],
            tensors["mlm_labels"],
            tensors["nsp_labels"] if self.nsp else None,
        )
        loss = sums["mlm_loss_sum"] * batch.scales["mlm"]
        if self.nsp:
            loss = loss + sums["nsp_loss_sum"] * batch.scales["nsp"]
        return loss, {name: value.detach() for name, value in sums.items()}
