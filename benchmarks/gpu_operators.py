"""Counts the operators of a training step on a GPU, without one: on tensors without numbers.

Run: python benchmarks/gpu_operators.py [--case large-512] [--micro 0] [--precision bf16] [--top 12]

Tensors on `meta` have shapes and types only, and take the way of CUDA through the model.
An operator that computes is about one kernel (those on lists of tensors are a few); views
and empty tensors are none. Prints one object of JSON.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
from dataclasses import replace
from typing import Any

import cases
import torch
from gpu import CASES
from torch.utils._python_dispatch import TorchDispatchMode

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.host_buffers import staged
from bertkit.data.record_feed import RecordFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective

NO_KERNEL = {
    "empty",
    "empty_like",
    "new_empty",
    "empty_strided",
    "detach",
    "_unsafe_view",
    "lift_fresh",
}


class Shapes(TorchAdapter):
    """The adapter for CUDA, on tensors without numbers."""

    device, caps = "meta", CudaAdapter.caps


class Operators(TorchDispatchMode):
    """Counts operators that compute, and copies from the host, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: collections.Counter[str] = collections.Counter()
        self.from_host = 0

    def __torch_dispatch__(
        self, operator: Any, types: Any, arguments: Any = (), words: Any = None
    ) -> Any:
        name = operator.overloadpacket.__name__
        first = arguments[0] if arguments else None
        if name == "_to_copy" and isinstance(first, torch.Tensor) and first.device.type == "cpu":
            self.from_host += 1
        elif not operator.is_view and name not in NO_KERNEL:
            self.kernels[name] += 1
        return operator(*arguments, **(words or {}))


def counted(case: cases.Case, precision: str, micro: int, optimizer: str) -> Operators:
    """The operators of the second step."""
    # PyTorch's list of devices with a fused AdamW does not name this one.
    adam: Any = importlib.import_module("torch.optim.adam")
    adam._device_dtype_check_for_fused = lambda *words, **more: None
    records = cases.InMemory(cases.make_records(case, cases.load_histogram(cases.LENGTHS)))
    feed = RecordFeed(
        records, SampleOrder(case.records, 1, shuffle=False), case.batch, micro or case.batch,
        "unpadded", "global_step", case.sizes()["vocab_size"],
    )  # fmt: skip
    adapter = Shapes()
    with torch.device("meta"):
        model = BertForPreTraining(BertConfig(**case.sizes()))
    stepper = adapter.build(
        model,
        PretrainingObjective(),
        StepPlan(precision),
        adapter.optimizer(model, OptimizerSpec(optimizer)),
        lambda step: 1e-4,
    )
    batches = list(staged(feed.steps(0, 2), pin=False))
    stepper.pins = False
    stepper.train(batches[0], 0)
    with Operators() as seen:
        stepper.train(batches[1], 1)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="large-512")
    parser.add_argument("--batch", type=int, default=0, help="sequences per step; 0: the case's")
    parser.add_argument("--micro", type=int, default=0, help="per pass; 0: the batch")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--top", type=int, default=12, help="operators to name")
    given = parser.parse_args()
    case = CASES[given.case]
    batch = given.batch or case.batch
    case = replace(case, batch=batch, records=2 * batch)
    seen = counted(case, given.precision, given.micro, given.optimizer)
    row = {
        "case": given.case,
        "batch": batch,
        "micro": given.micro or batch,
        "operators": sum(seen.kernels.values()),
        "copies from the host": seen.from_host,
        "most": dict(seen.kernels.most_common(given.top)),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
