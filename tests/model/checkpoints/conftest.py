"""Fixtures of the tests of checkpoint forms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.vendors import graphcore
from bertkit.model.heads import BertForPreTraining
from model.checkpoints.common import SAMPLE_WITH_MOMENTS, sample


@pytest.fixture
def samples(shared):
    """Real TensorFlow checkpoints."""
    return shared / "data" / "checkpoints"


@pytest.fixture
def mdl_with_moments(tmp_path):
    """A checkpoint of Cerebras' program with the optimizer's state."""
    path = tmp_path / SAMPLE_WITH_MOMENTS
    path.write_bytes(sample(SAMPLE_WITH_MOMENTS))
    return path


@pytest.fixture
def step_folder(tmp_path, small):
    model = BertForPreTraining(small)
    place = tmp_path / "step_5"
    save_pretrained(model, place)

    def write(state) -> Path:
        content = {"step": 5, "optimizer_state_dict": state, "metrics": {}, "config": None}
        torch.save(content, place / graphcore.STATE)
        return place

    return model, write
