"""One step of every LAMB variant beside a loop that takes the formula tensor by tensor.

Run: python benchmarks/lamb.py [--shape base] [--rounds 7] [--device cpu]

Both update copies of the same weights with the same gradients, taking turns; after the
last round the weights are compared. Ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from cases import Case
from torch import Tensor, nn
from training import machine

from bertkit.backends.base import OptimizerSpec
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.system.allocator import keep_freed_memory
from bertkit.train.optimization.lamb import LAMB_VARIANTS
from bertkit.train.optimization.optimizers import make_optimizer, parameter_groups

RATE = 1e-4


def loop(model: nn.Module, spec: OptimizerSpec) -> Callable[[], None]:
    """LAMB as its formula reads: every tensor by itself, one operation after the other."""
    variant = LAMB_VARIANTS[spec.name]
    groups = parameter_groups(model, spec)
    state = {w: (torch.zeros_like(w), torch.zeros_like(w)) for w in model.parameters()}
    steps = 0

    @torch.no_grad()
    def step() -> None:
        nonlocal steps
        steps += 1
        for group in groups:
            for weight in group["params"]:
                update(weight, *state[weight], group)

    def update(weight: Tensor, m: Tensor, v: Tensor, group: Mapping[str, Any]) -> None:
        m.mul_(spec.beta1).add_(weight.grad, alpha=1 - spec.beta1)
        v.mul_(spec.beta2).addcmul_(weight.grad, weight.grad, value=1 - spec.beta2)
        first = second = 1.0
        if variant.bias_correction:
            first, second = 1 - spec.beta1**steps, 1 - spec.beta2**steps
        direction = (m / first) / ((v / second).sqrt() + spec.eps)
        direction = direction + group["weight_decay"] * weight
        trust = torch.ones((), device=weight.device)
        if group["adapt"]:
            top, bottom = weight.norm(), direction.norm()
            if variant.clamp is not None:
                top = top.clamp(max=variant.clamp)
            trust = torch.where((top > 0) & (bottom > 0), top / bottom, trust)
        weight.sub_(RATE * trust * direction)

    return step


def copy_of(model: nn.Module) -> nn.Module:
    """The same weights, and the same gradients at every call."""
    torch.manual_seed(1)
    made = copy.deepcopy(model)
    for weight in made.parameters():
        weight.grad = torch.randn_like(weight) * 1e-3
    return made


def compare(
    name: str, model: nn.Module, device: str, rounds: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Seconds of both by round, and how far their weights end apart."""
    spec = OptimizerSpec(name)
    ours, theirs = copy_of(model), copy_of(model)
    optimizer = make_optimizer(ours, spec)
    for group in optimizer.param_groups:
        group["lr"] = RATE
    sides = {"bertkit": optimizer.step, "loop": loop(theirs, spec)}
    found: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        for side in sorted(sides, reverse=bool(number % 2)):
            begin = clock()
            sides[side]()
            if device == "cuda":
                torch.cuda.synchronize()
            if number:  # the first step makes the state
                found[side].append(clock() - begin)
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    apart = max(float((a - b).detach().abs().max()) for a, b in pairs)
    if not apart < 1e-6:
        raise SystemExit(f"{name}: the weights end {apart} apart")
    ratios = [slow / fast for fast, slow in zip(found["bertkit"], found["loop"], strict=True)]
    return {
        "variant": name,
        **{f"{side}_ms": round(1e3 * statistics.median(found[side]), 1) for side in found},
        "ratio": round(statistics.median(ratios), 2),
        "range": [round(min(ratios), 2), round(max(ratios), 2)],
        "apart": apart,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="base")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--processor",
        action="store_true",
        help="count processor seconds, for a busy machine and --threads 1",
    )
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    kept = keep_freed_memory()
    print(json.dumps({**machine(), "threads": given.threads, "keeps_memory": kept}), flush=True)
    sizes = Case(given.shape, 128, 1).sizes()
    model = BertForPreTraining(BertConfig(**sizes, initializer="normal")).to(given.device)
    clock = time.process_time if given.processor else time.perf_counter
    for name in LAMB_VARIANTS:
        found = compare(name, model, given.device, given.rounds, clock)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
