from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import pytest

TILES = {"forward": [64, 32, 4, 2], "query": [64, 64, 4, 2], "key_value": [32, 64, 4, 1]}
OTHERS = {"forward": [128, 32, 8, 2], "query": [128, 64, 8, 2], "key_value": [64, 128, 8, 1]}


@pytest.fixture
def module(benchmark_module):
    return benchmark_module("gpu_tile_file")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"large-512": TILES, "base-128": OTHERS}))
    return path


@pytest.fixture
def attention(monkeypatch):
    """The calls of the kernels, with their own tiles back afterwards."""
    pytest.importorskip("triton", reason="Triton is only made for Linux")
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # kernels that other tests run on a CPU
    calls = importlib.import_module("bertkit.model.fused.attention")
    monkeypatch.setattr(calls, "chosen_tiles", calls.chosen_tiles)
    return calls


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ("[]", "no cases"),
        ("{}", "no cases"),
        ('{"large-512": 3}', "large-512, forward: four numbers"),
        (json.dumps({"a": TILES, "b": TILES | {"query": [64, 64, 4]}}), "b, query: four numbers"),
        (json.dumps({"a": TILES | {"forward": [64, 64, 4, 2.0]}}), "not [64, 64, 4, 2.0]"),
    ],
)
def test_a_bad_file_is_one_line(module, tmp_path, text, says):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as ended:
        module.read(path)
    line = str(ended.value)
    assert line.startswith(f"--tiles {path}: ") and says in line and "\n" not in line


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("large-512", "large-512"),
        ("base-128", "base-128"),
        ("base-512", "large-512"),
        ("large-128", "base-128"),
        ("tiny-64", "large-512"),
    ],
)
def test_a_case_has_its_tiles_or_those_of_its_length(module, file, case, expected):
    assert module.nearest(module.read(file), case) == expected


def test_kernels_use_the_tiles_of_a_file(module, file, attention, monkeypatch):
    torch = pytest.importorskip("torch")
    used = []
    for name in ("_FORWARD", "_QUERY", "_KEY_VALUE"):
        seen = lambda programs, values, constants, warps, stages: used.append(  # noqa: E731
            [constants["M"], constants["N"], warps, stages]
        )
        # Not the kernel's own `launch`: it would stay an attribute of the kernel, out of the
        # reach of tests that replace the class's.
        monkeypatch.setattr(attention, name, SimpleNamespace(launch=seen))
    assert module.use(file, "base-512") == "large-512"
    starts, seed = torch.tensor([0, 3, 5], dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
    ragged = attention.Ragged(starts, 3, 2, 0.1, seed)
    rows = torch.zeros(5, 3 * 128)
    out, lse = attention.attention_forward(rows, ragged)
    attention.attention_backward(rows, out, lse, out, ragged)
    assert used == list(TILES.values())


def test_an_arm_is_built_with_the_tiles_of_its_case(benchmark_module, file, attention):
    arms, cases = benchmark_module("arms"), benchmark_module("cases")
    case = cases.Case("test", 128, 4, records=8)
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    arms.build_bertkit(case, records, "fp32", "cpu", tiles=str(file))
    assert attention.chosen_tiles(64).forward == attention.Tiles(*OTHERS["forward"])
