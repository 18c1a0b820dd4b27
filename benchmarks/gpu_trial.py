"""What long runs of the cases of gpu.py find when they try fused layers on this GPU.

Run: PYTHONPATH=. python benchmarks/gpu_trial.py [--case large-512 ...]

One line of JSON for each case, with layers compiled and not, and with products in 8 bits:
milliseconds of a layer, and what is wrong with the kernels, if anything is. Answers are kept, as
those of runs are.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace

import cases
from cases import Case

from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.fused.choice import Trial, TrialError, case_of, choose_fused
from bertkit.model.config import BertConfig

WHOLE = ("large-512", "base-512", "base-128")


def size_of(case: Case) -> RunSize:
    """A run of a case that is long enough for everything."""
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    mean = float(records["input_mask"].sum(1).mean())
    return RunSize(
        steps=1_000_000,
        operations=float("inf"),
        rows=round(case.batch * mean),
        longest=case.length,
        precision="bf16",
        model=BertConfig(**case.sizes()),
    )


def is_fused(case: Case, compiled: bool, totals: int) -> bool:
    """Whether a long run of a case on this process's GPU has fused layers."""
    return bool(choose_fused(size_of(case), compiled, not totals, 0))


def main() -> None:
    from gpu import CASES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=CASES, help=f"repeatable; {WHOLE}")
    given = parser.parse_args()
    for name in given.case or WHOLE:
        for compiled, fp8 in ((True, False), (False, False), (False, True)):
            begin = time.perf_counter()
            tried = replace(case_of(size_of(CASES[name]), compiled, True), fp8=fp8)
            try:
                answer = asdict(Trial(tried, 0).made())
            except TrialError as error:
                answer = {"failed": str(error)}
            seconds = round(time.perf_counter() - begin, 1)
            row = {"case": name, "compiled": compiled, "fp8": fp8, **answer, "seconds": seconds}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
