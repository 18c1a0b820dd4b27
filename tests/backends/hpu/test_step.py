"""Steps on Gaudi, played by a stand-in, against the CPU's."""

from __future__ import annotations

import pytest

from backends.hpu import gaudi
from bertkit.backends.hpu.options import HpuOptions
from bertkit.train.config import UNCORRECTED


@pytest.mark.parametrize("layout", ["packed", "bucketed"])
def test_layouts_give_the_numbers_of_the_cpu(path, layout):
    with gaudi.machine():
        seen = gaudi.run(path, layout=layout, steps=2)
    expected = gaudi.on_the_cpu(path, steps=2)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-5


@pytest.mark.parametrize(
    ("settings", "reference"),
    [({"optimizer": "nvlamb"}, {}), ({"optimizer": "adamw"}, {"eps_before": True}),
     ({"optimizer": UNCORRECTED}, {}), ({"nsp": False}, {})],
)  # fmt: skip
def test_eager_mode_gives_the_numbers_of_the_cpu(path, settings, reference):
    with gaudi.machine():
        seen = gaudi.run(path, **settings, options=HpuOptions(mode="eager"))
    assert seen.marks == [0] * len(seen.marks)
    expected = gaudi.on_the_cpu(path, **settings, **reference)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-3
