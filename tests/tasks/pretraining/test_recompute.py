from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.tasks.pretraining.estimate import activation_bytes
from bertkit.tasks.pretraining.pretrain import pretrain

from .conftest import SHAPE

BOTH = ["--recompute", "--profile-steps"]


@pytest.mark.parametrize("layout", ["unpadded", "packed"])
def test_a_run_with_recomputed_activations_is_the_same_to_the_bit(settings, tmp_path, layout):
    def weights(name, recompute):
        config = settings(max_steps=3, layout=layout, output=str(tmp_path / name),
                          recompute=recompute)  # fmt: skip
        done = pretrain(config, registry.get("cpu"))
        return load_file(f"{done.checkpoint}/model.safetensors")

    assert SHAPE.hidden_dropout_prob > 0
    one, other = weights("kept", False), weights("again", True)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_the_estimate_counts_one_layer_and_the_rows_between(settings):
    deep = settings(micro_batch_size=4, model=replace(SHAPE, num_hidden_layers=12))
    kept, again = (activation_bytes(replace(deep, recompute=it), 24) for it in (False, True))
    assert again == kept / 12 + 12 * 4 * 4 * 24 * SHAPE.hidden_size


@pytest.mark.parametrize(
    ("name", "flags"),
    [("cpu", []), ("cuda", []), *((name, BOTH) for name in ("hpu", "ipu", "cs"))],
)
def test_machines_that_cannot_say_so(name, flags):
    adapter = registry.make(name)
    spec = OptimizerSpec("sgd")
    plain = StepPlan(adapter.caps.precisions[0], adapter.caps.layouts[0])
    before = {item.flag for item in adapter.validate(plain, spec)}
    found = adapter.validate(replace(plain, recompute=True, profile=True), spec)
    assert [item.flag for item in found if item.flag not in before] == flags
