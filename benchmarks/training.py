"""Training on a CPU: bertkit beside Hugging Face's Trainer, real tokens per second.

Run: python benchmarks/training.py [--case tiny-128 ...]

Arms take turns, each in its own process, over the same records; in every round each
does a few steps. Ratios are medians over rounds. bertkit keeps freed memory by itself;
`--hf-allocator` says whether the other arm does (kept) or not (glibc). An arm in bf16
that is far behind the same program in fp32 in its first two steps is timed once and left.
`share_of_products` holds every arm against the speed of fp32 matrix products measured
before each case: of the operations that BERT needs (no padding, logits at masked positions).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import cases
import torch
from arms import Arm
from cases import Case

from bertkit.backends.torch.matmul_speed import matrix_flops

CASES = {
    "tiny-128": (Case("tiny", 128, 32), 6),
    "tiny-512": (Case("tiny", 512, 8), 6),
    "mini-128": (Case("mini", 128, 32), 4),
    "base-128": (Case("base", 128, 16), 1),
    "base-512": (Case("base", 512, 4), 2),
    "test": (Case("test", 128, 4, records=16), 2),
}
NAMES = ("hf fp32", "hf bf16", "bertkit fp32", "bertkit bf16")
HOPELESS = 2.0  # times slower than fp32, from where on bf16 is not worth more rounds


def measure(
    case: Case,
    records: dict[str, Any],
    names: Sequence[str],
    rounds: int,
    steps: int,
    options: dict[str, Any],
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Real tokens per second of every arm by round, and peak memory in GB by arm."""
    running: dict[str, Arm] = {}
    tokens: dict[str, Iterator[int]] = {}
    rates: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    first: dict[str, float] = {}
    for name in names:
        side, precision = name.split()
        arm = Arm(side, case, records=records, precision=precision, **options)
        tokens[name] = cases.real_tokens(case, records)
        done = next(tokens[name])
        first[name] = arm.run(1)[0]
        running[name], rates[name] = arm, []
        limit = HOPELESS * first.get(f"{side} fp32", first[name])
        if first[name] > limit:  # or its first step loaded what later ones have
            done, first[name] = next(tokens[name]), arm.run(1)[0]
        if first[name] > limit:
            rates[name] = [done / first[name]]
            memory[name] = arm.memory
            running.pop(name).close()
    for number in range(rounds):
        order = list(running)
        for name in order if number % 2 else order[::-1]:
            done = sum(next(tokens[name]) for _ in range(steps))
            rates[name].append(done / sum(running[name].run(steps)))
    for name, arm in running.items():
        memory[name] = arm.memory
        arm.close()
    return rates, memory


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Median over rounds of bertkit's rate to each arm of the other side.

    `best` takes each side's faster precision, which a CPU without bf16 units makes fp32.
    """
    best = {
        side: max(
            (name for name in rates if name.startswith(side)),
            key=lambda name: statistics.median(rates[name]),
        )
        for side in ("hf", "bertkit")
        if any(name.startswith(side) for name in rates)
    }
    if len(best) < 2:
        return {}

    def ratio(ours: str, theirs: str) -> float:
        pairs = zip(rates[ours], rates[theirs], strict=False)
        return round(statistics.median(one / other for one, other in pairs), 2)

    found = {f"to {name}": ratio(best["bertkit"], name) for name in rates if name.startswith("hf")}
    return {**found, "best to best": ratio(best["bertkit"], best["hf"])}


def counted(case: Case, records: dict[str, Any]) -> tuple[float, float]:
    """(operations of the matrix products per real token, real tokens per sequence).

    Of what BERT needs: no padding, and logits at masked positions only.
    """
    from bertkit.model.config import BertConfig

    lengths = records["input_mask"].sum(1).astype(float)
    masked = float((records["masked_lm_weights"] > 0).sum())
    done = BertConfig(**case.sizes()).training_flops(
        lengths.sum(), (lengths**2).sum(), masked, len(lengths)
    )
    return done / float(lengths.sum()), float(lengths.mean())


def machine() -> dict[str, Any]:
    """What was measured on."""
    import transformers

    return {
        "cores": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", default=cases.LENGTHS, help="numbers of sequences by length")
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; all but test")
    parser.add_argument("--arm", action="append", choices=NAMES, help="repeatable; all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="per round; 0: as many as suit")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--hf-allocator", choices=("glibc", "kept"), default="glibc")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="count processor seconds, for a busy machine and --threads 1",
    )
    given = parser.parse_args()
    histogram = cases.load_histogram(given.lengths)
    print(
        json.dumps(
            {
                **machine(),
                "hf_allocator": given.hf_allocator,
                "threads": given.threads,
                "seconds": "processor" if given.processor else "wall",
            }
        ),
        flush=True,
    )
    for name in given.case or [name for name in CASES if name != "test"]:
        case, steps = CASES[name]
        case = Case(case.shape, case.length, case.batch, case.records, given.dropout)
        records = cases.make_records(case, histogram)
        torch.set_num_threads(given.threads)
        peak, per_token = matrix_flops(torch.device("cpu"), "fp32", 2.0), counted(case, records)[0]
        with tempfile.TemporaryDirectory() as folder:
            options = {
                "device": "cpu",
                "threads": given.threads,
                "folder": folder,
                "keep_memory": given.hf_allocator == "kept",
                "processor": given.processor,
            }
            rates, memory = measure(
                case, records, given.arm or NAMES, given.rounds, given.steps or steps, options
            )
        medians = {arm: statistics.median(found) for arm, found in rates.items()}
        result = {
            "case": name,
            **cases.described(case, records),
            "tokens_per_second": {arm: round(rate) for arm, rate in medians.items()},
            "share_of_products": {
                arm: round(rate * per_token / peak, 3) for arm, rate in medians.items()
            },
            "rounds": {arm: [round(rate) for rate in r] for arm, r in rates.items()},
            "peak_gb": {arm: round(size, 2) for arm, size in memory.items()},
            "ratios": ratios(rates),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
