from __future__ import annotations

import json
import sys

import pytest

from bertkit.backends.torch.graphs.speeds import Speeds


def test_every_case_is_judged_by_the_speeds_of_the_device(benchmark_module, monkeypatch, capsys):
    module = benchmark_module("gpu_graphs")
    # Of the H200 of benchmarks/RESULTS.md.
    speeds = Speeds(products=880e12, copies=4.27e12, layer=2.24e-3)
    monkeypatch.setattr(module, "measured", lambda device, precision: speeds)
    monkeypatch.setattr(sys, "argv", ["gpu_graphs.py", "--device", "cpu"])
    module.main()
    first, *rows = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["layer"] == 2.24e-3 and len(rows) == 2 * (len(module.CASES) + 1)
    found = {(row["case"], row["sequences"], row["fused"]): row for row in rows}
    assert found["base-128", 64, False]["recorded"] and not found["base-128", 512, True]["recorded"]
    # A step on SQuAD took that host 20 ms; fine-tuning is recorded where it is asked for.
    tuned = found["squad-384", 48, False]
    assert tuned["pays"] and not tuned["recorded"]
    assert tuned["host"] == pytest.approx(20, rel=0.25) and tuned["gpu"] < 5
    # Kernels of 94 ms there, in 5 of them an update and copies of weights; a few more tokens.
    assert found["large-512", 64, False]["gpu"] == pytest.approx(93.6 - 5, rel=0.15)
