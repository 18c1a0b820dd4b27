"""The loss of pretraining, and which parameters it reaches."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
import torch

from bertkit.data.batch_layouts import Layout
from bertkit.data.step_batch import weighted
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective


@pytest.mark.parametrize("nsp", [True, False])
def test_what_it_says_of_the_parameters_it_trains_is_true(settings, nsp):
    torch.manual_seed(0)
    model = BertForPreTraining(settings().model)
    records = weighted(synthetic.batch(4), "global_step", 4)
    (batch,) = Layout("unpadded", 4).micro_batches(records)
    tensors = {name: torch.from_numpy(np.asarray(v)) for name, v in batch.arrays.items()}
    objective = PretrainingObjective(nsp=nsp)
    loss, sums = objective.losses(model, tensors, batch)
    loss.backward()
    assert not any(value.requires_grad for value in sums.values())
    assert float(sums["nsp_count"]) == (4 if nsp else 0)
    reached = all(parameter.grad is not None for parameter in model.parameters())
    assert objective.trains_all == reached == nsp
