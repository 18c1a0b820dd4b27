"""Times the kernels of a fused layer with many sizes of tiles, to choose from.

Run: PYTHONPATH=. python benchmarks/gpu_tiles.py [--output best.json] [--jobs 16]

Variants are compiled by `--jobs` processes first. Prints, for each kernel and batch, the
milliseconds of every variant, fastest first, beside PyTorch's flash attention.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cases
import numpy as np
import torch

from bertkit.model.fused import attention as attention_calls
from bertkit.model.fused import rows as row_calls
from bertkit.model.fused.attention import Ragged, TileChoice, Tiles

# Name: (sequences, tokens at most, heads of 64).
BATCHES = {"large-512": (64, 512, 16), "base-128": (512, 128, 12)}
PARTS = ("forward", "query", "key_value")


def variants(part: str) -> Iterator[Tiles]:
    """Tiles worth trying for one kernel."""
    depths = (1, 2) if part == "key_value" else (2, 3)
    for queries, keys, warps, stages in itertools.product(
        (32, 64, 128), (32, 64, 128), (4, 8), depths
    ):
        long = keys if part == "key_value" else queries  # the side that a program keeps
        if long < 64 or queries * keys < 2048 or (warps == 8 and long < 128):
            continue
        if queries * keys > 8192 and warps == 4:
            continue
        yield Tiles(queries, keys, warps, stages)


class Batch:
    """Rows of one batch and what the kernels say of them."""

    def __init__(self, name: str, device: str = "cuda") -> None:
        sequences, longest, heads = BATCHES[name]
        chances = np.asarray(cases.load_histogram(cases.LENGTHS), float)
        random = np.random.default_rng(0)
        drawn = random.choice(len(chances), sequences, p=chances / chances.sum()) + 1
        lengths = np.minimum(drawn, longest)
        starts = torch.tensor([0, *lengths.cumsum()], dtype=torch.int32, device=device)
        self.ragged = Ragged(starts, longest, heads, 0.1, (3, 4))
        self.width = heads * 64
        self.projected = self.random(int(lengths.sum()), 3 * self.width)
        self.out, self.lse = attention_calls.attention_forward(self.projected, self.ragged)
        self.given = torch.randn_like(self.out)

    def random(self, *shape: int) -> torch.Tensor:
        """bf16 numbers."""
        return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)

    def attention(self, part: str, tiles: Tiles) -> Callable[[], Any]:
        """One kernel, or for the backward pass both, of which the other has its usual tiles."""
        if part == "forward":
            return lambda: attention_calls.attention_forward(self.projected, self.ragged, tiles)
        usual = attention_calls.chosen_tiles(64)
        choice = TileChoice(
            usual.forward,
            tiles if part == "query" else usual.query,
            tiles if part == "key_value" else usual.key_value,
        )
        return lambda: attention_calls.attention_backward(
            self.projected, self.out, self.lse, self.given, self.ragged, choice
        )

    def flash(self) -> dict[str, float]:
        """PyTorch's kernels."""
        aten, ragged = torch.ops.aten, self.ragged
        query, key, value = self.projected.view(-1, 3, ragged.heads, 64).unbind(1)
        common = (ragged.starts, ragged.starts, ragged.longest, ragged.longest, ragged.rate, False)
        forward = lambda: aten._flash_attention_forward(query, key, value, *common, False)  # noqa: E731
        out, lse, seed, offset, _ = forward()
        given = torch.randn_like(out)
        return {
            "forward": milliseconds(forward),
            "backward": milliseconds(
                lambda: aten._flash_attention_backward(
                    given, query, key, value, out, lse, *common, seed, offset
                )
            ),
        }


def milliseconds(job: Callable[[], Any], times: int = 20) -> float:
    """Of one call, on the device."""
    for _ in range(3):
        job()
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(times):
        job()
    last.record()
    torch.cuda.synchronize()
    return round(first.elapsed_time(last) / times, 4)


@lru_cache
def _batch(name: str) -> Batch:
    return Batch(name)


def _compile(name: str, part: str, tiles: Tiles) -> None:
    """Compile one variant for one batch, in a process of a pool."""
    try:
        _batch(name).attention(part, tiles)()
    except Exception as error:
        print(name, part, tiles, type(error).__name__, flush=True)


def _tried(batch: Batch, part: str, tiles: Tiles) -> float:
    """Milliseconds, endless where a variant does not fit the GPU."""
    try:
        return milliseconds(batch.attention(part, tiles))
    except Exception as error:
        print(part, tiles, type(error).__name__, flush=True)
        return float("inf")


def row_times(batch: Batch) -> dict[str, float]:
    """Milliseconds of the kernels over rows, with what they move in GB/s beside."""
    rows, width = len(batch.out), batch.width
    drop = row_calls.Dropout(0.1, (1, 2))
    one = batch.random(rows, width)
    residual, bias, gain = batch.random(rows, width), batch.random(width), batch.random(width)
    wide, given = batch.random(rows, 4 * width), batch.random(rows, 4 * width)
    normed = row_calls.add_and_norm_forward(one.clone(), bias, residual, gain, bias, 1e-12, drop)[1]
    unit = rows * width * 2 / 1e6  # MB, which over milliseconds are GB/s
    jobs: dict[str, tuple[float, Callable[[], Any]]] = {
        "add and norm": (
            4,
            lambda: row_calls.add_and_norm_forward(one, bias, residual, gain, bias, 1e-12, drop),
        ),
        "its backward": (
            4, lambda: row_calls.add_and_norm_backward(residual, normed, gain, drop)
        ),
        "gelu": (8, lambda: row_calls.activation_forward(wide, "gelu")),
        "its backward ": (12, lambda: row_calls.activation_backward(given, wide, "gelu")),
        "column sums": (3, lambda: row_calls.column_sums(batch.projected)),
        "torch layer norm": (
            2, lambda: torch.nn.functional.layer_norm(one, (width,), gain, bias, 1e-12)
        ),
        "torch gelu": (8, lambda: torch.nn.functional.gelu(wide)),
        "torch column sums": (3, lambda: batch.projected.sum(0)),
    }  # fmt: skip
    found = {}
    for name, (units, job) in jobs.items():
        taken = milliseconds(job)
        found[name] = taken
        found[f"{name}, GB/s"] = round(units * unit / taken)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON of the fastest variants")
    parser.add_argument("--jobs", type=int, default=16, help="0: all is compiled already")
    parser.add_argument("--only-compile", action="store_true", help="into Triton's cache")
    parser.add_argument("--top", type=int, default=5, help="variants to print")
    given = parser.parse_args()
    wanted = [(name, part, tiles) for name in BATCHES for part in PARTS for tiles in variants(part)]
    if given.jobs:
        with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
            list(pool.map(_compile, *zip(*wanted, strict=True)))
    if given.only_compile:
        return
    best: dict[str, dict[str, list[int]]] = {}
    for name in BATCHES:
        batch = Batch(name)
        print(name, json.dumps({"tokens": len(batch.out), "flash": batch.flash()}), flush=True)
        for part in PARTS:
            times = {}
            for tiles in variants(part):
                times[tiles] = _tried(batch, part, tiles)
            order = sorted(times, key=times.__getitem__)
            fastest = order[0]
            values = [fastest.queries, fastest.keys, fastest.warps, fastest.stages]
            best.setdefault(name, {})[part] = values
            for tiles in order[: given.top]:
                print(name, part, tiles, times[tiles], flush=True)
        print(name, json.dumps(row_times(batch)), flush=True)
    if given.output:
        given.output.write_text(json.dumps(best))


if __name__ == "__main__":
    main()
