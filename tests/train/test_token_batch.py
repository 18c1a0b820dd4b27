"""The layout of a micro-batch follows from its arrays."""

from __future__ import annotations

import numpy as np
import synthetic
import torch

from bertkit.data.batch_layouts import Layout
from bertkit.data.step_batch import weighted
from bertkit.model.attention import PackedLayout, PaddedLayout, UnpaddedLayout
from bertkit.train.token_batch import token_batch


def made(layout: str):
    records = weighted(synthetic.batch(6), "global_step", 6)
    batch = Layout(layout, 6, fixed=layout == "packed").micro_batches(records)[0]
    tensors = {name: torch.from_numpy(np.asarray(v)) for name, v in batch.arrays.items()}
    return batch, token_batch(tensors, batch)


def test_every_layout_is_recognised():
    kinds = {"unpadded": UnpaddedLayout, "padded": PaddedLayout, "packed": PackedLayout}
    for name, kind in kinds.items():
        batch, tokens = made(name)
        assert type(tokens.layout) is kind
        assert tokens.ids.tolist() == batch.arrays["ids"].tolist()
        assert tokens.cls_rows.tolist() == batch.arrays["cls_rows"].tolist()
