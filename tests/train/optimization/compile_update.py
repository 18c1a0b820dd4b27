"""Compiles the kernel of updates for GPUs that need not be there: `python compile_update.py 80 90`.

In the forms that a run asks for. Prints a line of JSON for each and compute capability: what
NVIDIA's assembler says, and how often which instructions stand in the program.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from typing import Any

import torch
import triton
from model.fused.compile_kernels import assembled, source
from triton.backends.compiler import GPUTarget

from bertkit.model.fused.launch import Kernel
from bertkit.train.optimization.one_pass import OnePassAdamW

INSTRUCTION = re.compile(
    r"^\s*(?:@%p\d+ )?((?:ld|st|fma|mul|add|sub|div|r?sqrt|cvt)\.[\w.]+)", re.M
)


def calls() -> list[tuple[Any, ...]]:
    """What an update starts: (function, arguments, constants, warps)."""
    asked: list[tuple[Any, ...]] = []

    def launch(kernel, programs, arguments, constants, warps):
        asked.append((kernel._function, arguments, constants, warps))

    Kernel.launch = launch  # type: ignore[method-assign]
    weights = [torch.nn.Parameter(torch.zeros(size)) for size in (32, 32, 32, 32, 33, 33)]
    groups = [
        {"params": weights[:2], "weight_decay": 0.01},
        {"params": weights[2:], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, fused=True)
    kinds = [torch.bfloat16, torch.float32] * 3
    pairs = zip(weights, kinds, strict=True)
    gradients = [torch.zeros(len(weight), dtype=kind) for weight, kind in pairs]
    copies = {one: torch.zeros(len(one), dtype=torch.bfloat16) for one in weights[::2]}
    for divisor in (torch.ones(()), None):
        OnePassAdamW(optimizer).step(weights, gradients, copies, torch.zeros(()), divisor)
    return asked


def main() -> None:
    for function, arguments, constants, warps in calls():
        for capability in map(int, sys.argv[1:]):
            made = triton.compile(
                source(function, arguments, constants),
                target=GPUTarget("cuda", capability, 32),
                options={"num_warps": warps, "num_stages": 2, "enable_fp_fusion": True},
            )
            said = assembled(made.asm["ptx"], capability)
            facts = {
                "capability": capability, "shared": made.metadata.shared,
                "spilled": int(re.findall(r"(\d+) bytes spill stores", said)[0]),
                "registers": int(re.findall(r"Used (\d+) registers", said)[0]),
                "instructions": Counter(INSTRUCTION.findall(made.asm["ptx"])),
                "elements": constants["BLOCK"] // (32 * warps),
                **{name: str(value) for name, value in constants.items()},
            }  # fmt: skip
            print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
