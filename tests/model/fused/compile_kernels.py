"""Compiles every kernel for GPUs that need not be there: `python compile_kernels.py 80 90`.

Kernels, types and constants are those that a layer in bfloat16 really asks for. Prints a line of
JSON for each kernel and compute capability. Has to be a program of its own: in the process of the
tests Triton interprets kernels.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from bertkit.model.fused.attention import Ragged, attention_backward, attention_forward
from bertkit.model.fused.embeddings import (
    Facts,
    Places,
    embeddings_backward,
    embeddings_forward,
)
from bertkit.model.fused.fp8 import (
    Fp8Rows,
    activation_backward_fp8,
    activation_forward_fp8,
    to_fp8,
    transposed_to_fp8,
)
from bertkit.model.fused.launch import Kernel
from bertkit.model.fused.rows import (
    Dropout,
    activation_backward,
    activation_forward,
    add_and_norm_backward,
    add_and_norm_forward,
    column_sums,
)
from bertkit.model.fused.word_loss import loss_sums, word_losses

POINTERS = {
    torch.bfloat16: "*bf16",
    torch.float8_e4m3fn: "*fp8e4nv",
    torch.float32: "*fp32",
    torch.int16: "*i16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
HAS_FP8 = 89  # compute capability
VOCABULARIES = (30_528, 119_552)  # of English, and of many languages


def calls(heads: int, size: int, rate: float, fp8: bool) -> list[tuple[Any, ...]]:
    """What a layer starts, whose feed-forward block is four times as wide: (function, arguments,
    constants, warps, stages)."""
    asked: list[tuple[Any, ...]] = []

    def launch(kernel, programs, arguments, constants, warps, stages=2):
        asked.append((kernel._function, arguments, constants, warps, stages))

    Kernel.launch = launch  # type: ignore[method-assign]
    width, kind = heads * size, torch.bfloat16
    rows, wide = torch.zeros(8, width, dtype=kind), torch.zeros(8, 4 * width, dtype=kind)
    weights = torch.zeros(width, dtype=kind)
    projected = torch.zeros(8, 3 * width, dtype=kind)
    seed = torch.zeros(4, dtype=torch.int32)
    ragged = Ragged(torch.tensor([0, 8], dtype=torch.int32), 8, heads, rate, seed)
    drop = Dropout(rate, seed)
    out, lse = attention_forward(projected, ragged)
    attention_backward(projected, out, lse, rows, ragged)
    _, kept = add_and_norm_forward(rows, weights, rows, weights, weights, 1e-12, drop)
    add_and_norm_backward(rows, kept, weights, drop)
    for name in ("gelu", "gelu_new"):
        activation_forward(wide, name)
        activation_backward(wide, wide, name)
    column_sums(projected)
    embedded(rows, drop)
    words(kind)
    if fp8:
        in_8_bits(rows, wide, drop)
    return asked


def in_8_bits(rows: torch.Tensor, wide: torch.Tensor, drop: Dropout) -> None:
    """What a layer with products in 8 bits starts beside these."""
    weights, room = rows[0].clone(), Fp8Rows.room(rows.shape, rows.device)
    _, kept = add_and_norm_forward(rows, weights, rows, weights, weights, 1e-12, drop, fp8=room)
    add_and_norm_backward(rows, kept, weights, drop, fp8=room)
    add_and_norm_backward(rows, kept, weights, drop, added=rows)
    for name in ("gelu", "gelu_new"):
        activation_forward_fp8(wide, name)
        activation_backward_fp8(wide, wide, name)
    for matrix in (rows, wide):
        to_fp8(matrix)
        transposed_to_fp8(matrix)


def words(kind: torch.dtype) -> None:
    """What the loss over a vocabulary starts."""
    labels, factors = torch.zeros(1, dtype=torch.int64), torch.zeros(1)
    for size in VOCABULARIES:
        for gradient in (True, False):
            logits = torch.zeros(1, size, dtype=kind)
            word_losses(logits, labels, factors, factors, factors, gradient)
    loss_sums(factors, factors, factors)


def embedded(rows: torch.Tensor, drop: Dropout) -> None:
    """What embeddings start."""
    width = rows.shape[1]
    places = Places(*(torch.zeros(8, dtype=torch.int64) for _ in range(3)))
    sizes = ((1 << 16, width), (512, width), (2, width), (width,), (width,))
    weights = tuple(torch.zeros(size) for size in sizes)
    facts = Facts(1e-12, drop.rate, rows.dtype)
    _, *kept = embeddings_forward(places, facts, drop, weights)
    embeddings_backward(rows, places, drop, (kept[0], kept[1]), weights)


def source(function: Any, arguments: tuple[Any, ...], constants: dict[str, Any]) -> ASTSource:
    """What Triton would compile at such a call, and its contract with `Kernel` checked."""
    signature, attributes = {}, {}
    for place, value in enumerate(arguments):
        parameter = function.params[place]
        if isinstance(value, torch.Tensor):
            signature[parameter.name] = POINTERS[value.dtype]
            if not parameter.do_not_specialize_on_alignment:
                attributes[(place,)] = [["tt.divisibility", 16]]
            continue
        whole = isinstance(value, int)
        assert parameter.do_not_specialize or not whole, f"{function}: {parameter.name} = {value}"
        signature[parameter.name] = "i32" if whole else "fp32"
    names = function.arg_names
    assert names == [*signature, *constants], f"{function}: {names}"
    signature |= dict.fromkeys(constants, "constexpr")
    fixed = {(names.index(name),): value for name, value in constants.items()}
    return ASTSource(function, signature, fixed, attributes)


def assembled(text: str, capability: int) -> str:
    """What NVIDIA's assembler says about a kernel."""
    program = get_ptxas(capability).path  # of two, the one that Triton takes
    architecture = f"sm_{capability}" + ("a" if capability >= 90 else "")
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(text)
        file.flush()
        line = [program, "-v", f"-arch={architecture}", file.name, "-o", "/dev/null"]
        return subprocess.run(line, capture_output=True, text=True, check=True).stderr


def main() -> None:
    capabilities = [int(word) for word in sys.argv[1:]]
    for heads, size in ((12, 64), (8, 16), (8, 32), (8, 128)):
        for rate in (0.1, 0.0) if size == 64 else (0.1,):
            for capability in capabilities:
                for function, arguments, constants, warps, stages in calls(
                    heads, size, rate, capability >= HAS_FP8
                ):
                    made = triton.compile(
                        source(function, arguments, constants),
                        target=GPUTarget("cuda", capability, 32),
                        options={
                            "num_warps": warps,
                            "num_stages": stages,
                            "enable_fp_fusion": True,
                        },
                    )
                    said = assembled(made.asm["ptx"], capability)
                    (spilled,) = re.findall(r"(\d+) bytes spill stores", said)
                    (registers,) = re.findall(r"Used (\d+) registers", said)
                    facts = {
                        "kernel": function.__name__, "size": size, "rate": rate,
                        "capability": capability, "shared": made.metadata.shared,
                        "registers": int(registers), "spilled": int(spilled),
                    }  # fmt: skip
                    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
