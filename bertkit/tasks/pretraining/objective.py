"""Computes the loss of pretraining: masked LM and next sentence prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from bertkit.data.step_batch import MicroBatch
from bertkit.train.token_batch import token_batch


@dataclass(frozen=True)
class PretrainingObjective:
    """Masked LM, with next sentence prediction or without.

    Attributes:
        nsp: train next sentence prediction too.
    """

    nsp: bool = True

    @property
    def trains_all(self) -> bool:
        """Without next sentence prediction, pooler and next sentence head get no gradient."""
        return self.nsp

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`.

        The weights of the batch hold all factors, so that what changes from batch to batch
        is always a tensor: a compiling engine would build a Python number into its program.
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
