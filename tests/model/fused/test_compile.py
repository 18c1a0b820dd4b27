"""The kernels compile for GPUs, with what memory these have; no GPU is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from triton.backends.nvidia import compiler  # noqa: F401  (builds without NVIDIA's part have none)

_SHARED = 99 << 10  # bytes for a program on compute capability 8.6, 8.9 and 12.0, which have least
_SPILLED = 160  # bytes; 8 a thread's register


@pytest.mark.slow
@pytest.mark.parametrize(("capability", "kernels"), [(80, 16), (90, 20)])
def test_kernels_compile_and_fit(tmp_path, capability, kernels):
    script = Path(__file__).with_name("compile_kernels.py")
    root = str(Path(__file__).parents[3])
    surroundings = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    surroundings |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, str(script), str(capability)],
        env=surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert min(Counter(facts["kernel"] for facts in found).values()) >= 4
    assert len({facts["kernel"] for facts in found}) == kernels
    for facts in found:
        assert facts["shared"] <= _SHARED and facts["spilled"] <= _SPILLED, facts
