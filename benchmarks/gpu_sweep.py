"""Training speed of many cases on one GPU in one process, so that a short session measures much.

Run: PYTHONPATH=. python benchmarks/gpu_sweep.py [--output FOLDER] [--seconds 300]
         [--fused | --no-fused] [--graphs | --no-graphs] [--points 5] [--tiles best.json]

One line of JSON per case: sequences and real tokens per second, computed tokens per real one,
the share of the measured speed of matrix products, peak memory. `profile.txt` in the folder
has the kernels of the cases marked for it. A case that fails is noted and passed over.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import traceback
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import arms
import cases
import gpu_tile_file
import torch
from gpu import CASES

from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.data.prefetch import StepRange

WARM, ROUNDS = 4, 2
RECORDED_WARM = 40  # steps after which the usual sizes of passes have been recorded


@dataclass(frozen=True)
class Point:
    """What is measured: a case of gpu.py, and settings of the run."""

    case: str
    batch: int = 0
    profile: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def _point(case: str, batch: int = 0, profile: bool = False, **settings: Any) -> Point:
    return Point(case, batch, profile, settings)


POINTS = (  # what decides most comes first
    _point("large-512", profile=True, fused=True),
    _point("base-128", profile=True, fused=True),
    _point("large-512", batch=128, profile=True, fused=True),
    _point("large-512", batch=128, profile=True, fused=True, fp8=True),
    _point("large-512", batch=256, fused=True),
    _point("large-512", batch=256, fused=True, fp8=True),
    _point("large-512", profile=True),
    _point("base-128"),
    _point("base-128", fused=True, fp8=True),
    _point("base-512", fused=True, fp8=True),
    _point("base-512", fused=True),
    _point("base-128", batch=1024, fused=True),
    # Embeddings and heads compiled, layers fused: what long runs would do.
    _point("large-512", batch=128, fused=True, compiled=True),
    _point("large-512", batch=128, profile=True, compiled=True),
    _point("base-128", fused=True, compiled=True),
    _point("base-128", compiled=True),
    # What waits for the host: small models, and compiled parts that are started one by one.
    _point("mini-128"),
    _point("mini-128", graphs=True),
    _point("mini-128", graphs=True, compiled=True),
    _point("small-128"),
    _point("small-128", graphs=True),
    _point("small-128", graphs=True, fused=True, compiled=True),
    _point("base-128", batch=64),
    _point("base-128", batch=64, graphs=True),
    _point("large-512", graphs=True, compiled=True),
    _point("large-512", batch=128, graphs=True, fused=True, compiled=True),
    _point("large-512", batch=128, fused=True, optimizer="nvlamb"),
    _point("base-512", compiled=True),
    _point("base-512"),
    _point("large-512", compiled=True),
    _point("base-128", batch=1024, compiled=True),
    _point("large-512", compiled=True, totals=2),
    _point("large-512", batch=128, compiled=True, optimizer="nvlamb"),
    _point("large-512", batch=192, compiled=True),
    _point("base-512", compiled=True, totals=2),
)


def chosen(
    points: Sequence[Point] = POINTS,
    fused: bool | None = None,
    count: int = 0,
    graphs: bool | None = None,
) -> list[Point]:
    """The points to measure.

    Args:
        points: to choose from.
        fused: only those with fused layers, or only those without; None: both.
        count: only the first so many of them; 0: all.
        graphs: likewise for recorded steps.
    """
    wanted = {"fused": fused, "graphs": graphs}
    left = [
        point
        for point in points
        if all(
            value is None or point.settings.get(name, False) == value
            for name, value in wanted.items()
        )
    ]
    return left[: count or None]


class Sweep:
    """Measures points one after the other; see the module."""

    def __init__(self, device: str, steps: int, output: Path, tiles: str = "") -> None:
        self.device, self.steps, self.output, self.tiles = device, steps, output, tiles
        self.histogram = cases.load_histogram(cases.LENGTHS)
        self.peak = matrix_flops(torch.device(device), "bf16")

    def measure(self, point: Point) -> dict[str, Any]:
        """One point's numbers, or why there are none."""
        case = CASES[point.case]
        case = replace(case, batch=point.batch or case.batch, records=min(case.records, 4096))
        row: dict[str, Any] = {"case": point.case, "batch": case.batch, **point.settings}
        try:
            row |= self._numbers(point, case)
        except Exception as error:
            row["failed"] = f"{type(error).__name__}: {error}"[:300]
            (self.output / "errors.txt").open("a").write(traceback.format_exc())
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        return row

    def _numbers(self, point: Point, case: cases.Case) -> dict[str, Any]:
        records = cases.make_records(case, self.histogram)
        arm = arms.build_bertkit(
            case, records, "bf16", self.device, tiles=self.tiles, **point.settings
        )
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        warm = RECORDED_WARM if point.settings.get("graphs") else WARM
        self._steps(arm, 0, warm)
        found = []
        for number in range(ROUNDS):
            begin = time.perf_counter()
            sequences, tokens, computed = self._steps(arm, warm + number * self.steps, self.steps)
            found.append(sequences / (time.perf_counter() - begin))
        if point.profile and self.device == "cuda":
            self._profile(arm, point)
        rate = statistics.median(found)
        operations = rate * _operations(arm.config.model, records)
        return {
            "sequences_per_second": round(rate, 1),
            "rounds": [round(value, 1) for value in found],
            "tokens_per_second": round(rate * float(records["input_mask"].sum(1).mean())),
            "computed_per_real": round(computed / tokens, 4),
            "share_of_measured": round(operations / self.peak, 3),
            "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1) if self._cuda else None,
        }

    @property
    def _cuda(self) -> bool:
        return self.device == "cuda"

    def _steps(self, arm: arms.BertkitArm, first: int, count: int) -> tuple[int, int, int]:
        """(sequences, real tokens, computed tokens) of so many steps; waits for their end."""
        sequences = tokens = computed = 0
        position = first * arm.config.global_batch_size
        with arm.adapter.loader(StepRange(arm.feed, position, count)) as batches:
            for step, batch in enumerate(batches, first):
                ticket = arm.stepper.train(batch, step)
                sequences, tokens = sequences + batch.sequences, tokens + batch.tokens
                computed += sum(part.arrays["ids"].size for part in batch.micro_batches)
        arm.stepper.read([ticket])
        if self._cuda:
            torch.cuda.synchronize()
        return sequences, tokens, computed

    def _profile(self, arm: arms.BertkitArm, point: Point) -> None:
        """Append the kernels of three steps to profile.txt, slowest first."""
        kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=kinds) as profile:
            self._steps(arm, 1000, 3)
        rows = [row for row in profile.key_averages() if str(row.device_type).endswith("CUDA")]
        rows.sort(key=lambda row: -row.self_device_time_total)
        with (self.output / "profile.txt").open("a") as out:
            out.write(f"\n{point}\n")
            for row in rows[:30]:
                milliseconds = row.self_device_time_total / 3e3
                out.write(f"{milliseconds:8.3f} ms {row.count / 3:7.1f} x  {row.key[:140]}\n")


def _operations(model: Any, records: dict[str, Any]) -> float:
    """Floating point operations that one sequence needs, without padding."""
    lengths = records["input_mask"].sum(1).astype(float)
    masked = (records["masked_lm_weights"] > 0).sum(1)
    return float(
        model.training_flops(
            tokens=lengths.mean(),
            token_pairs=(lengths**2).mean(),
            masked=masked.mean(),
            sequences=1.0,
        )
    )


def main() -> None:
    """Measure all points, or as many as the time allows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; default: all")
    parser.add_argument("--steps", type=int, default=10, help="per round")
    parser.add_argument("--seconds", type=float, default=300, help="no point begins after these")
    parser.add_argument("--fused", action=BooleanOptionalAction, help="only points with, without")
    parser.add_argument("--graphs", action=BooleanOptionalAction, help="likewise")
    parser.add_argument("--tiles", default="", help="file of gpu_tiles.py, for fused layers")
    parser.add_argument("--points", type=int, default=0, help="only the first so many")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of profile.txt")
    given = parser.parse_args()
    begin = time.monotonic()
    if given.tiles:
        gpu_tile_file.read(given.tiles)
    points = POINTS
    if given.case:
        points = tuple(
            _point(name, fused=bool(given.fused), graphs=bool(given.graphs)) for name in given.case
        )
    given.output.mkdir(parents=True, exist_ok=True)
    sweep = Sweep(given.device, given.steps, given.output, given.tiles)
    print(json.dumps({"measured_tflops": round(sweep.peak / 1e12)}), flush=True)
    for point in chosen(points, given.fused, given.points, given.graphs):
        if time.monotonic() - begin < given.seconds:
            print(json.dumps(sweep.measure(point)), flush=True)


if __name__ == "__main__":
    main()
