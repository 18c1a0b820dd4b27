from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture
def module(benchmark_module, monkeypatch):
    pytest.importorskip("triton", reason="Triton is only made for Linux")
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # kernels that other tests run on a CPU
    return benchmark_module("gpu_tiles")


def test_the_start_of_the_list_has_some_of_every_kernel_and_batch(module):
    whole, short = module.wanted(), module.wanted(few=2)
    assert {name for name, _, _ in whole} == {"large-512", "base-128"}
    assert len(set(whole)) == len(whole) == 2 + 2 * (24 + 24 + 27)
    first = [(name, part) for name, part, _ in whole[: 2 + 6]]
    assert len(set(first)) == 8
    assert set(short) < set(whole) and len(short) == 2 + 6 * 2
    chosen = module.attention_calls.chosen_tiles(64)
    assert ("large-512", "query", module.astuple(chosen.query)) in short


def test_a_list_that_was_cut_off_is_read_up_to_there(module, tmp_path):
    listed = module.wanted(few=1)
    text = "".join(json.dumps(variant) + "\n" for variant in listed)
    (tmp_path / "list").write_text(text + '["large-512", "forw')
    assert module.read_list(tmp_path / "list") == listed


@pytest.fixture
def batch(module, monkeypatch):
    """Kernels that take as many milliseconds as they have queries; some of them are wrong."""
    exact = torch.linspace(-2, 2, 7)

    def attention(part, tiles):
        def job():
            if tiles.stages == 9:
                raise RuntimeError("out of resource: shared memory")
            return exact + {7: 0.1, 8: float("nan")}.get(tiles.stages, 0.001)

        job.taken = float(tiles.queries)
        return job

    monkeypatch.setattr(module, "milliseconds", lambda job: job.taken)
    return SimpleNamespace(attention=attention)


def test_only_variants_with_the_right_numbers_are_ranked(module, batch, capsys):
    right = [(128, 64, 4, 2), (32, 64, 4, 2), (64, 64, 4, 2)]
    wrong = [(16, 64, 4, 7), (16, 64, 4, 8), (16, 64, 4, 9)]
    found = module.tried(batch, "forward", [*wrong, *right])
    assert [row[0] for row in found] == [32, 64, 128] == [row[-1] for row in found]
    said = json.loads(capsys.readouterr().out)["other numbers"]
    assert [row[3] for row in said] == [7, 8, 9]
    assert "shared memory" in said[2][-1]


def test_the_file_has_the_fastest_of_what_was_compiled(
    module, batch, benchmark_module, monkeypatch, tmp_path, capsys
):
    batch.out, batch.flash = torch.zeros(3, 4), dict
    batch.backward = lambda query, key_value: batch.attention("query", query)
    monkeypatch.setattr(module, "Batch", lambda name: batch)
    monkeypatch.setattr(module, "row_times", lambda name: {})
    listed = [
        ("large-512", "forward", (64, 64, 4, 2)),
        ("large-512", "forward", (32, 64, 4, 2)),
        ("base-128", "forward", (16, 64, 4, 2)),
        ("base-128", "rows", ()),
    ]
    (tmp_path / "list").write_text("".join(json.dumps(variant) + "\n" for variant in listed))
    places = ["--compiled", str(tmp_path / "list"), "--output", str(tmp_path / "best.json")]
    monkeypatch.setattr(sys, "argv", ["gpu_tiles.py", *places])
    module.main()
    found = benchmark_module("gpu_tile_file").read(tmp_path / "best.json")
    assert found["large-512"]["forward"] == [32, 64, 4, 2]
    assert found["base-128"]["forward"] == [16, 64, 4, 2]
    # Of what no variant was compiled, today's tiles.
    chosen = module.attention_calls.chosen_tiles(64)
    assert found["base-128"]["query"] == list(module.astuple(chosen.query))
