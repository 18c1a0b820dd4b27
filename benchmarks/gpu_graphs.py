"""What runs of small and large passes find on this GPU: does it pay to record their steps?

Run: PYTHONPATH=. python benchmarks/gpu_graphs.py [--device cpu]

The first line of JSON has the speeds that runs measure, each other line a case with so many
sequences in a pass: estimated milliseconds of the host and of the GPU, whether it pays, and
whether it is done by default. The last case is fine-tuning on SQuAD. The arms of gpu.py, and
gpu_squad.py, with and without --graphs show what is true of it.
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
from bertkit.backends.torch.graphs.speeds import Speeds, measured
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig

CASES = (
    Case("tiny", 128, 32), Case("mini", 128, 256), Case("small", 128, 256),
    Case("base", 128, 64), Case("base", 128, 512), Case("large", 512, 32), Case("large", 512, 64),
)  # fmt: skip
_STEPS = 10_000
# MiniLM-L6 on windows of SQuAD v1.1 (384 tokens, stride 128): how many, mean of their lengths, and
# of the squares of these.
WINDOWS, LENGTH, SQUARES = 48, 172.0, 33_700.0
MINILM = BertConfig(
    vocab_size=cases.VOCAB, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
    intermediate_size=1536, max_position_embeddings=512,
)  # fmt: skip


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


def tuned_size() -> RunSize:
    """A run on SQuAD: two epochs, one pass a step; nothing is predicted over the vocabulary."""
    rows, steps = WINDOWS * LENGTH, 3_694
    shape = StepShape(WINDOWS, 1, 384)
    return RunSize(
        steps=steps,
        operations=steps * MINILM.training_flops(rows, WINDOWS * SQUARES, 0, 0),
        rows=round(rows),
        longest=384,
        precision="bf16",
        model=MINILM,
        plan=StepPlan("bf16", shape=shape, model=MINILM),
        optimizer=OptimizerSpec(),
    )


def report(name: str, size: RunSize, speeds: Speeds) -> None:
    """Print what is found of a run, as PyTorch computes layers and fused."""
    assert size.plan is not None and size.plan.shape is not None
    shape = size.plan.shape
    for fused in (False, True):
        times = pass_times(size, speeds, fused)
        found = {which: round(1e3 * value, 3) for which, value in asdict(times).items()}
        pays = judged(CudaOptions(fused=fused), size, times, memory=0)
        row = {"case": name, "sequences": shape.micro_batch_size, "fused": fused, **found}
        row |= {"pays": pays, "recorded": pays and shape.predictions > 0}
        print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    speeds = measured(torch.device(parser.parse_args().device), "bf16")
    print(json.dumps(asdict(speeds)), flush=True)
    for case in CASES:
        report(f"{case.shape}-{case.length}", size_of(case), speeds)
    report("squad-384", tuned_size(), speeds)


if __name__ == "__main__":
    main()
