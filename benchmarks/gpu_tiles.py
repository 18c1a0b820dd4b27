"""Times the kernels of a fused layer with many sizes of tiles, to choose from.

Run: PYTHONPATH=. python benchmarks/gpu_tiles.py [--output best.json] [--jobs 16]

Variants are compiled by `--jobs` processes first. Prints one line of JSON for each kernel and
batch: the milliseconds of the fastest variants beside PyTorch's flash attention, and which
variants give other numbers than the chosen tiles. gpu.py, gpu_sweep.py and gpu_check.sh can
use `best.json`. In two parts, where something else uses the GPU at first:

    python benchmarks/gpu_tiles.py --only-compile --compiled list.jsonl --jobs 16
    python benchmarks/gpu_tiles.py --compiled list.jsonl --output best.json

The second tries only what the first has listed, also when that was stopped early.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cases
import numpy as np
import torch
from gpu_tile_file import PARTS

from bertkit.model import chunked_loss
from bertkit.model.fused import attention as attention_calls
from bertkit.model.fused import embeddings as embedding_calls
from bertkit.model.fused import rows as row_calls
from bertkit.model.fused import word_loss as loss_calls
from bertkit.model.fused.attention import Ragged, TileChoice, Tiles
from bertkit.model.fused.random_bits import draw_seeds
from bertkit.model.fused.word_loss import Way

# Name: (sequences, tokens at most, heads of 64).
BATCHES = {"large-512": (64, 512, 16), "base-128": (512, 128, 12)}
LOGITS = (2752, 30_528)  # of words
WORD_WAYS = [Way(1 << 15, 16), Way(1 << 15, 32), Way(4096, 8), Way(4096, 16), Way(8192, 16)]
ROWS = "rows"  # stands for the kernels over rows, which have no tiles to choose
NEAR = 0.02  # of the largest number: bf16 keeps 8 bits
# What is compiled: name of a batch, part, tiles.
Variant = tuple[str, str, tuple[int, ...]]


def variants(part: str) -> Iterator[Tiles]:
    """Tiles worth trying for one kernel, those chosen today first."""
    chosen = getattr(attention_calls.chosen_tiles(64), part)
    yield chosen
    other = part == "key_value"  # its programs keep keys, and go through queries
    kept, gone = (64, 128), (16, 32, 64) if other else (32, 64, 128)
    depths = (1, 2, 3) if other else (2, 3, 4)
    for long, short, warps, stages in itertools.product(kept, gone, (4, 8), depths):
        if (warps == 8 and long < 128) or (warps == 4 and long * short > 8192):
            continue
        queries, keys = (short, long) if other else (long, short)
        if (tiles := Tiles(queries, keys, warps, stages)) != chosen:
            yield tiles


def wanted(few: int = 0) -> list[Variant]:
    """All variants, so that a part of the list has some of each kernel and batch.

    Args:
        few: of each kernel and batch; 0: all.
    """
    columns = [
        [(name, part, astuple(tiles)) for tiles in variants(part)][: few or None]
        for name in BATCHES
        for part in PARTS
    ]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*columns))
    return [*((name, ROWS, ()) for name in BATCHES), *filter(None, mixed)]


class Batch:
    """Rows of one batch and what the kernels say of them."""

    def __init__(self, name: str, device: str = "cuda") -> None:
        sequences, longest, heads = BATCHES[name]
        chances = np.asarray(cases.load_histogram(cases.LENGTHS), float)
        random = np.random.default_rng(0)
        drawn = random.choice(len(chances), sequences, p=chances / chances.sum()) + 1
        lengths = np.minimum(drawn, longest)
        starts = torch.tensor([0, *lengths.cumsum()], dtype=torch.int32, device=device)
        self.ragged = Ragged(starts, longest, heads, 0.1, draw_seeds(1, starts.device)[0])
        self.width = heads * 64
        self.projected = self.random(int(lengths.sum()), 3 * self.width)
        self.out, self.lse = attention_calls.attention_forward(self.projected, self.ragged)
        self.given = torch.randn_like(self.out)

    def random(self, *shape: int) -> torch.Tensor:
        """bf16 numbers."""
        return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)

    def attention(self, part: str, tiles: Tiles) -> Callable[[], torch.Tensor]:
        """One kernel, or for the backward pass both, of which the other has its usual tiles."""
        if part == "forward":
            return lambda: attention_calls.attention_forward(self.projected, self.ragged, tiles)[0]
        usual = attention_calls.chosen_tiles(64)
        return self.backward(
            tiles if part == "query" else usual.query,
            tiles if part == "key_value" else usual.key_value,
        )

    def backward(self, query: Tiles, key_value: Tiles) -> Callable[[], torch.Tensor]:
        """Both kernels of the backward pass."""
        choice = TileChoice(attention_calls.chosen_tiles(64).forward, query, key_value)
        return lambda: attention_calls.attention_backward(
            self.projected, self.out, self.lse, self.given, self.ragged, choice
        )

    def flash(self) -> dict[str, float]:
        """Milliseconds of PyTorch's kernels."""
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

    def row_jobs(self) -> dict[str, tuple[float, Callable[[], Any]]]:
        """The kernels over rows: how many of [T, H] in bf16 each must move, and its call."""
        rows, width = len(self.out), self.width
        drop = row_calls.Dropout(0.1, self.ragged.seed)
        one = self.random(rows, width)
        residual, bias, gain = self.random(rows, width), self.random(width), self.random(width)
        wide, given = self.random(rows, 4 * width), self.random(rows, 4 * width)
        add_and_norm = row_calls.add_and_norm_forward
        normed = add_and_norm(one.clone(), bias, residual, gain, bias, 1e-12, drop)[1]
        return {
            "add and norm": (
                4, lambda: add_and_norm(one, bias, residual, gain, bias, 1e-12, drop)
            ),
            "its backward": (
                4, lambda: row_calls.add_and_norm_backward(residual, normed, gain, drop)
            ),
            "gelu": (8, lambda: row_calls.activation_forward(wide, "gelu")),
            "its backward ": (12, lambda: row_calls.activation_backward(given, wide, "gelu")),
            "column sums": (3, lambda: row_calls.column_sums(self.projected)),
            "torch layer norm": (
                2, lambda: torch.nn.functional.layer_norm(one, (width,), gain, bias, 1e-12)
            ),
            "torch gelu": (8, lambda: torch.nn.functional.gelu(wide)),
            "torch column sums": (3, lambda: self.projected.sum(0)),
            **self.loss_jobs(),
            **self.embedding_jobs(),
        }  # fmt: skip

    def embedding_jobs(self) -> dict[str, tuple[float, Callable[[], Any]]]:
        """The same for embeddings: most ids are few, one of 9 is [MASK]."""
        rows, width = len(self.out), self.width
        starts = self.ragged.starts.long()
        everyone = torch.arange(rows, device="cuda")
        sequence = torch.searchsorted(starts, everyone, right=True) - 1
        ids = (30_000 * torch.rand(rows, device="cuda") ** 4).long()
        ids[::9] = 103
        places = embedding_calls.Places(ids, everyone - starts[sequence], everyone % 3 // 2)
        sizes = ((30_522, width), (512, width), (2, width), (width,), (width,))
        weights = tuple(torch.randn(size, device="cuda", requires_grad=True) for size in sizes)
        plain = tuple(weight.detach() for weight in weights)
        facts = embedding_calls.Facts(1e-12, 0.1, torch.bfloat16)
        drop = row_calls.Dropout(0.1, self.ragged.seed)
        kept = embedding_calls.embeddings_forward(places, facts, drop, plain)[1:]
        given, changes = self.random(rows, width), torch.randn(rows, width, device="cuda")

        def by_operators() -> torch.Tensor:
            found = [
                torch.nn.functional.embedding(own, table)
                for own, table in zip(places.each(), weights, strict=False)
            ]
            normed = torch.nn.functional.layer_norm(
                found[0] + found[1] + found[2], (width,), *weights[3:], 1e-12
            )
            return torch.nn.functional.dropout(normed, 0.1).to(torch.bfloat16)

        result = by_operators()
        backward, by_id = embedding_calls.embeddings_backward, embedding_calls.sums_by_id
        return {
            "embeddings": (
                3, lambda: embedding_calls.embeddings_forward(places, facts, drop, plain)
            ),
            "their backward": (10, lambda: backward(given, places, drop, kept, plain)),
            "sums by word": (2, lambda: by_id(changes, places.ids, plain[0])),
            "sums by position": (2, lambda: by_id(changes, places.positions, plain[1])),
            "torch embeddings": (3, by_operators),
            "torch their backward": (
                10, lambda: torch.autograd.grad(result, weights, given, retain_graph=True)
            ),
        }  # fmt: skip

    def loss_jobs(self) -> dict[str, tuple[float, Callable[[], Any]]]:
        """The same for the loss over a vocabulary, whose logits are read and written once.

        Every call takes what the one before has made of the logits: no row is special to it.
        """
        logits = self.random(*LOGITS)
        labels = torch.randint(0, LOGITS[1], LOGITS[:1], device="cuda")
        factors, losses, right = (torch.ones(LOGITS[0], device="cuda") for _ in range(3))
        unit = logits.numel() / self.out.numel()
        outcome = (labels, factors, losses, right, True)
        jobs: dict[str, tuple[float, Callable[[], Any]]] = {
            "words": (2 * unit, lambda: loss_calls.word_losses(logits, *outcome)),
            "torch words": (2 * unit, lambda: chunked_loss.rows_by_operators(logits, *outcome)),
            "columns of words": (unit, lambda: row_calls.column_sums(logits, torch.float32)),
            "torch columns of words": (unit, lambda: logits.sum(0, dtype=torch.float32)),
            "sums of words": (0, lambda: loss_calls.loss_sums(losses, right, factors)),
        }
        for way in WORD_WAYS:
            job = partial(loss_calls.word_losses, logits, *outcome, way)
            jobs[f"words, {way.block} by {way.warps} warps"] = (2 * unit, job)
        return jobs


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


def _compile(variant: Variant) -> str:
    """Compile one variant and run it once, in a process of a pool; the error, if there is one."""
    name, part, tiles = variant
    try:
        if part == ROWS:
            for _, job in _batch(name).row_jobs().values():
                job()
        else:
            _batch(name).attention(part, Tiles(*tiles))()
        torch.cuda.synchronize()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""


def compile_all(work: list[Variant], jobs: int, listed: Path | None) -> list[Variant]:
    """Compile variants into Triton's cache; those that ran are returned, and listed in a file."""
    ready = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_compile, variant): variant for variant in work}
        for done in as_completed(waiting):
            variant, problem = waiting[done], done.result()
            if problem:
                print(json.dumps({"not compiled": variant, "error": problem}), flush=True)
                continue
            ready.append(variant)
            if listed:
                with listed.open("a") as out:
                    out.write(json.dumps(variant) + "\n")
    return ready


def read_list(path: Path) -> list[Variant]:
    """What `compile_all` listed; a last line that was cut off is left out."""
    lines = path.read_text().split("\n")[:-1]
    return [(name, part, tuple(tiles)) for name, part, tiles in map(json.loads, lines)]


def tried(batch: Batch, part: str, candidates: list[tuple[int, ...]]) -> list[list[float]]:
    """[queries, keys, warps, stages, milliseconds] of variants that are right, fastest first."""
    exact = batch.attention(part, getattr(attention_calls.chosen_tiles(64), part))().float()
    near = NEAR * float(exact.abs().max())
    right, wrong = [], []
    for values in candidates:
        job = batch.attention(part, Tiles(*values))
        try:
            distance = float((job().float() - exact).abs().max())
            if distance <= near:
                right.append([*values, milliseconds(job)])
            else:  # also when it is not a number
                wrong.append([*values, distance])
        except Exception as error:
            wrong.append([*values, f"{type(error).__name__}: {str(error)[:100]}"])
    if wrong:
        print(json.dumps({"part": part, "other numbers": wrong}), flush=True)
    return sorted(right, key=lambda row: row[-1])


def time_batch(name: str, ready: list[Variant], top: int) -> dict[str, list[int]]:
    """Print what the variants of one batch take; its fastest tiles by part."""
    batch, best = Batch(name), {}
    for part in PARTS:
        candidates = [tiles for case, which, tiles in ready if (case, which) == (name, part)]
        order = tried(batch, part, candidates)
        print(json.dumps({"batch": name, "part": part, "fastest": order[:top]}), flush=True)
        # Where nothing else was right, the tiles chosen today.
        chosen = getattr(attention_calls.chosen_tiles(64), part)
        best[part] = order[0][:4] if order else list(astuple(chosen))
    query, key_value = Tiles(*best["query"]), Tiles(*best["key_value"])
    facts = {
        "batch": name,
        "tokens": len(batch.out),
        "best forward": milliseconds(batch.attention("forward", Tiles(*best["forward"]))),
        "best backward": milliseconds(batch.backward(query, key_value)),
        "flash": batch.flash(),
    }
    print(json.dumps(facts), flush=True)
    return best


def row_times(name: str) -> dict[str, Any]:
    """Milliseconds of the kernels over rows, with what they must move in GB/s beside."""
    batch = Batch(name)
    unit = len(batch.out) * batch.width * 2 / 1e6  # MB, which over milliseconds are GB/s
    found: dict[str, Any] = {"batch": name}
    for job_name, (units, job) in batch.row_jobs().items():
        taken = milliseconds(job)
        found[job_name] = [taken, round(units * unit / max(taken, 1e-6))]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON of the fastest variants")
    parser.add_argument("--jobs", type=int, default=16, help="processes that compile")
    parser.add_argument("--only-compile", action="store_true", help="into Triton's cache")
    parser.add_argument("--compiled", type=Path, help="list of what is compiled already")
    parser.add_argument("--few", type=int, default=0, help="variants of each kernel; 0: all")
    parser.add_argument("--top", type=int, default=5, help="variants to print")
    given = parser.parse_args()
    if given.only_compile or not given.compiled:
        ready = compile_all(wanted(given.few), given.jobs, given.compiled)
    else:
        ready = read_list(given.compiled)
    if given.only_compile:
        return
    best: dict[str, dict[str, list[int]]] = {}
    for name in BATCHES:
        best[name] = time_batch(name, ready, given.top)
        if given.output:
            given.output.write_text(json.dumps(best))
    for name in BATCHES:
        print(json.dumps({"milliseconds, GB/s": row_times(name)}), flush=True)


if __name__ == "__main__":
    main()
