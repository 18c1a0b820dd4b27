"""The kernel of updates as it is compiled for GPUs; no GPU is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton.backends.nvidia.compiler", reason="Triton without NVIDIA's part")


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_what_it_is_compiled_to(tmp_path, capability):
    """Wide loads, no spills, and the rounding of PyTorch's kernel: nothing is approximated."""
    tests = Path(__file__).parents[2]
    surroundings = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    surroundings |= {
        "TRITON_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)]),
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compile_update.py")), str(capability)],
        env=surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    forms = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(forms) == 12
    for facts in forms:
        made, count = facts["instructions"], facts["elements"]
        # The few weights that do not begin at a multiple of 16 bytes may take more (Triton 3.9).
        most = 80 if facts["ALIGNED"] == "True" else 128
        assert facts["spilled"] == 0 and facts["registers"] <= most, facts
        assert made["sqrt.rn.f32"] == count and made["fma.rn.f32"] >= 4 * count
        divisions = 2 + (facts["DIVIDES"] == "True")
        assert made["div.rn.f32"] == divisions * count + 1, "and the rate's"
        assert not any("approx" in name or "full" in name or "ftz" in name for name in made)
        # Sums that are rounded by themselves: epsilon's, and the weight's.
        names = ("add.f32", "sub.f32", "add.rn.f32", "sub.rn.f32")
        single = sum(made.get(name, 0) for name in names)
        assert 2 * count <= single <= 2 * count + 3
        if facts["ALIGNED"] == "True":
            wide = [made.get(f"{way}.global.v4.b32", 0) for way in ("ld", "st")]
            halves = "bf" in facts["GRADIENT"]
            assert wide[0] == 3 * count // 4 + (1 if halves else count // 4)
            assert wide[1] == 3 * count // 4 + (facts["COPY"] != "None")
