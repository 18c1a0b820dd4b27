"""What runs of small and large passes find on this GPU: are their steps recorded by default?

Run: PYTHONPATH=. python benchmarks/gpu_graphs.py [--device cpu]

The first line of JSON has the speeds that runs measure, each other line a case with so many
sequences in a pass: estimated milliseconds of the host and of the GPU, and what follows. The arms
of gpu.py with and without --graphs show what is true of it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import cases
import torch
from cases import Case

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.graphs.choice import judged, pass_times
from bertkit.backends.torch.graphs.speeds import measured
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig

CASES = (
    Case("tiny", 128, 32), Case("mini", 128, 256), Case("small", 128, 256),
    Case("base", 128, 64), Case("base", 128, 512), Case("large", 512, 32), Case("large", 512, 64),
)  # fmt: skip
_STEPS = 10_000


def size_of(case: Case) -> RunSize:
    """A run of a case, one pass a step."""
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    share = case.batch / case.records
    lengths = records["input_mask"].sum(1)
    rows, pairs = (share * float((lengths**power).sum()) for power in (1, 2))
    masked = share * float((records["masked_lm_weights"] > 0).sum())
    model = BertConfig(**case.sizes())
    shape = StepShape(case.batch, 1, case.length, cases.PREDICTIONS[case.length])
    return RunSize(
        steps=_STEPS,
        operations=_STEPS * model.training_flops(rows, pairs, masked, case.batch),
        rows=round(rows),
        predictions=masked,
        longest=case.length,
        precision="bf16",
        model=model,
        plan=StepPlan("bf16", shape=shape, model=model),
        optimizer=OptimizerSpec(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    speeds = measured(torch.device(parser.parse_args().device), "bf16")
    print(json.dumps(asdict(speeds)), flush=True)
    for case in CASES:
        size = size_of(case)
        for fused in (False, True):
            times = pass_times(size, speeds, fused)
            found = {name: round(1e3 * value, 3) for name, value in asdict(times).items()}
            recorded = judged(CudaOptions(fused=fused), size, times, memory=0)
            row = {"case": f"{case.shape}-{case.length}", "sequences": case.batch, "fused": fused}
            print(json.dumps({**row, **found, "recorded": recorded}), flush=True)


if __name__ == "__main__":
    main()
