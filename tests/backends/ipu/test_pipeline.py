"""Stages of the model and the IPUs that they are on."""

from __future__ import annotations

import pytest

from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import make_pipeline, pipeline_problems


@pytest.mark.parametrize(
    ("options", "layers", "found"),
    [
        (IpuOptions(), 2, [(0, 2, True)]),
        (IpuOptions(layers_per_ipu=[3]), 6, [(0, 3, False), (1, 3, False), (0, 0, True)]),
        (IpuOptions(layers_per_ipu=[0, 4, 4, 4]), 12,
         [(0, 0, False), (1, 4, False), (2, 4, False), (3, 4, False), (0, 0, True)]),
        (IpuOptions(pipeline_stages=["emb hid hid pool heads"]), 2, [(0, 2, True)]),
    ],
)  # fmt: skip
def test_stages(options, layers, found):
    pipeline = make_pipeline(options, layers)
    assert [(stage.ipu, stage.layers, stage.heads) for stage in pipeline.stages] == found
    assert pipeline.least_accumulation == 2 * len(found) - 1
    assert pipeline.ipus == len({ipu for ipu, _, _ in found})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (IpuOptions(layers_per_ipu=[3, 3]), None),
        (IpuOptions(layers_per_ipu=[3, 2]), "places 5 layers, the model has 6"),
        (IpuOptions(layers_per_ipu=[6], ipus_per_replica=2), None),
        (IpuOptions(layers_per_ipu=[2, 2, 2], ipus_per_replica=2), "less than the 3 IPUs"),
        (IpuOptions(pipeline_stages=["emb hid hid", "hid heads"]), "3 times hid"),
    ],
)
def test_layers_must_all_have_a_place(options, text):
    found = [problem.text for problem in pipeline_problems(options, 6)]
    assert found == [] if text is None else any(text in item for item in found), found
