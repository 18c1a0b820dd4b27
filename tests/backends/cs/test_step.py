"""The pieces of the traced step, on plain tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bertkit.backends.cs.features import SEGMENT_PADDING, features, padded_to_rows
from bertkit.backends.cs.step import clip_gradients, tensors
from bertkit.data.step_batch import MicroBatch
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization import optimizers

from .runs import LENGTH, SHAPE, feed


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_a_loss_of_features_is_that_of_the_arrays(cs_records, layout):
    """The way into Cerebras' form and back leaves the loss and the sums as they are."""
    (batch,) = feed(cs_records, layout, fixed=True).steps(0, 1)
    torch.manual_seed(1)
    model, task = BertForPreTraining(SHAPE).eval(), PretrainingObjective()
    expected: dict[str, float] = {}
    for micro in batch.micro_batches:
        arrays = {name: torch.from_numpy(values) for name, values in micro.arrays.items()}
        loss, sums = task.losses(model, arrays, micro)
        for name, value in {"loss": loss, **sums}.items():
            expected[name] = expected.get(name, 0.0) + value.item()
    parts = [
        features(micro, LENGTH, SEGMENT_PADDING.get(layout, 0)) for micro in batch.micro_batches
    ]
    whole = padded_to_rows(parts, sum(len(part["input_ids"]) for part in parts) + 3)
    made = {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in whole.items()}
    loss, sums = task.losses(model, tensors(made), MicroBatch({}, np.zeros(0, np.int64)))
    found = {"loss": loss.item(), **{name: value.item() for name, value in sums.items()}}
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("limit", [0.0, 0.1, 100.0])
def test_gradients_are_clipped_by_the_rule_of_the_other_backends(limit):
    def weights():
        made = [torch.nn.Parameter(torch.zeros(3)) for _ in range(3)]
        for number, item in enumerate(made[:2]):  # one has no gradient
            item.grad = torch.tensor([1.0, -2.0, 0.5]) * (number + 1)
        return made

    ours, theirs = weights(), weights()
    norm = clip_gradients(ours, limit)
    assert float(norm) == pytest.approx(float(optimizers.clip_gradients(theirs, limit)), rel=1e-6)
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(one.grad, other.grad)
