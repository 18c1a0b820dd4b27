"""HPU graphs and compiled modules around a task's loss."""

from __future__ import annotations

import pytest
import torch

from backends.hpu import gaudi
from bertkit.backends.hpu.options import HpuOptions
from bertkit.errors import ConfigError


def test_graphs_need_the_whole_model(path, stand_in):
    with pytest.raises(ConfigError, match="trains some only"):
        gaudi.run(path, options=HpuOptions(graphs=True), nsp=False)


@pytest.mark.slow
@pytest.mark.parametrize("autograd", [False, True])
def test_compile_mode_gives_the_numbers_of_the_cpu(path, autograd):
    options = HpuOptions(mode="compile", compiled_autograd=autograd)
    torch._dynamo.reset()  # programs of a test before would be taken again
    with gaudi.machine():
        seen = gaudi.run(path, options=options, watched=False)
        assert ({"compiled autograd"} if autograd else set()) == gaudi.engine().SWITCHES
    expected = gaudi.on_the_cpu(path)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-5
    # Compiled with the first step and the first evaluation, never again.
    assert seen.graphs[0] > 0 and seen.graphs[2:] == [0] * (gaudi.STEPS - 2)
