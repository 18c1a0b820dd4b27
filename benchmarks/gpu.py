"""Training on one GPU: bertkit beside Hugging Face's Trainer, in bf16.

Run: python benchmarks/gpu.py [--case base-512 ...] [--compile]

Arms run one after the other in processes of their own, as both together do not always fit
into a GPU's memory. MFU counts the operations
that BERT needs (no padding, logits at masked positions only) in both arms, against the
speed of large matrix products measured here and against --datasheet. With --device cpu
and --case test it only shows that the script runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cases
import gpu_tile_file
import numpy as np
import torch
from cases import Case
from gpu_trial import is_fused
from training import counted, machine, measure, ratios

from bertkit.backends.torch.matmul_speed import matrix_flops

CASES = {
    "base-128": Case("base", 128, 512, records=8192),
    "base-512": Case("base", 512, 128, records=4096),
    "large-128": Case("large", 128, 256, records=8192),
    "large-512": Case("large", 512, 64, records=4096),
    "mini-128": Case("mini", 128, 256, records=8192),
    "small-128": Case("small", 128, 256, records=8192),
    "test": Case("test", 128, 4, records=16),
}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", default=cases.LENGTHS, help="numbers of sequences by length")
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; all but test")
    parser.add_argument("--arm", action="append", help="repeatable, such as 'bertkit bf16'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="per round")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--compile", action="store_true", help="bertkit compiles the model")
    parser.add_argument(
        "--fused",
        action=argparse.BooleanOptionalAction,
        help="bertkit's own kernels, cuda.fused; left out: what a long run finds by its trial",
    )
    parser.add_argument("--fp8", action="store_true", help="products in 8 bits, cuda.fp8")
    parser.add_argument("--graphs", action="store_true", help="recorded steps, cuda.graphs")
    parser.add_argument("--tiles", default="", help="file of gpu_tiles.py, with --fused")
    parser.add_argument("--totals", type=int, default=0, help="cuda.totals; --compile or --graphs")
    parser.add_argument("--batch", type=int, default=0, help="sequences per step; 0: the case's")
    parser.add_argument("--micro", type=int, default=0, help="bertkit's per pass; 0: the batch")
    parser.add_argument("--optimizer", default="adamw", help="bertkit's")
    parser.add_argument("--datasheet", type=float, default=989e12, help="operations per second")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.tiles:
        gpu_tile_file.read(given.tiles)  # a bad file ends here, not in the process of an arm
    histogram = cases.load_histogram(given.lengths)
    device = torch.device(given.device)
    peak = matrix_flops(device, "bf16")
    label = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    print(json.dumps({**machine(), "device": label, "measured_tflops": peak / 1e12}), flush=True)
    for chosen in given.case or [case for case in CASES if case != "test"]:
        case = CASES[chosen]
        compare(chosen, replace(case, batch=given.batch or case.batch), histogram, peak, given)


def compare(
    name: str, case: Case, histogram: np.ndarray, peak: float, given: argparse.Namespace
) -> None:
    """Run a case's arms in turn; prints a line for each, and their ratios."""
    records = cases.make_records(case, histogram)
    per_token, length = counted(case, records)
    arm_names = given.arm or ("hf bf16", "bertkit bf16")
    own = options_of(case, given, arm_names)
    rates: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arm in arm_names:
            options = {**own, "folder": folder}
            found = measure(case, records, [arm], given.rounds, given.steps, options)
            rates |= found[0]
            memory |= found[1]
    for arm, speeds in rates.items():
        rate = statistics.median(speeds)
        row = {
            "case": name,
            "arm": arm,
            "batch": case.batch,
            "compiled": given.compile,
            "fused": own["settings"]["fused"],
            "fp8": given.fp8,
            "graphs": given.graphs,
            "tiles": given.tiles,
            "sequences_per_second": round(rate / length, 1),
            "tokens_per_second": round(rate),
            "share_of_measured": round(rate * per_token / peak, 3),
            "mfu": round(rate * per_token / given.datasheet, 3),
            "peak_gb": round(memory[arm], 1),
        }
        print(json.dumps(row), flush=True)
    print(json.dumps({"case": name, "ratios": ratios(rates)}), flush=True)


def options_of(case: Case, given: argparse.Namespace, arm_names: Sequence[str]) -> dict[str, Any]:
    """What the arms of a case are started with; fused by default where a trial finds it right."""
    fused = True if given.fp8 else given.fused
    if fused is None:
        tries = given.device == "cuda" and any(name.startswith("bertkit") for name in arm_names)
        fused = tries and is_fused(case, given.compile, given.totals)
    return {
        "device": torch.device(given.device).type,
        "threads": torch.get_num_threads(),
        "keep_memory": True,
        "processor": False,
        "compiled": given.compile,
        "settings": {
            "fused": fused,
            "fp8": given.fp8,
            "graphs": given.graphs,
            "tiles": given.tiles,
            "totals": given.totals,
            "micro_batch_size": given.micro,
            "optimizer": given.optimizer,
        },
    }


if __name__ == "__main__":
    main()
