"""Computes the loss of question answering: where the answer starts and where it ends."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bertkit.data.step_batch import MicroBatch
from bertkit.train.token_batch import token_batch


class SpanObjective:
    """Learn start and end of the answer; where none is known, give the scores of every row."""

    trains_all = True

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `bertkit.backends.base.Task`; the weights hold all factors.

        Batches without answers give a loss of 0, and `start_scores` and `end_scores`, [T] each.
        """
        tokens = token_batch(tensors, batch)
        if "starts" not in tensors:
            scores = model(tokens)
            return scores["start_scores"].new_zeros(()), scores
        sums = model(tokens, tensors["starts"], tensors["ends"], tensors["span_weights"])
        loss = sums.pop("loss")
        return loss, {name: value.detach() for name, value in sums.items()}
