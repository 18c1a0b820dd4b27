"""What products in 8 bits cost and gain in a layer on this GPU, beside those in bf16.

Run: PYTHONPATH=. python benchmarks/gpu_fp8.py [--batch large-512 ...]

One line of JSON for each batch of gpu_tiles.py: milliseconds of each product in either format,
of what writes its rows in 8 bits and of what it stands for, and sums over a layer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gpu_tiles import BATCHES, Batch, milliseconds
from torch import Tensor

from bertkit.model.fused import fp8, rows
from bertkit.model.fused.fp8 import Fp8Rows


class Pair(NamedTuple):
    """One piece of a layer in both formats; `before` is None where bf16 needs nothing."""

    before: Callable[[], Any] | None
    with_fp8: Callable[[], Any]


def _product(left: Tensor, weight: Tensor, transposed: bool) -> Pair:
    """left @ weight, or @ weight transposed, what brings the weight into 8 bits included."""
    eight = fp8.to_fp8(left)
    if transposed:
        return Pair(
            lambda: left @ weight,
            lambda: fp8.fp8_product(eight, fp8.transposed_to_fp8(weight), left.dtype),
        )
    return Pair(
        lambda: left @ weight.t(),
        lambda: fp8.fp8_product(eight, fp8.to_fp8(weight), left.dtype),
    )


def pieces(batch: Batch) -> dict[str, Pair]:
    """Everything in a layer that is another thing with 8 bits."""
    count, width = len(batch.out), batch.width
    drop = rows.Dropout(0.1, batch.ragged.seed)
    narrow, residual, added = (batch.random(count, width) for _ in range(3))
    wide, given = batch.random(count, 4 * width), batch.random(count, 4 * width)
    gain = batch.random(width)
    joined, widening = batch.random(3 * width, width), batch.random(4 * width, width)
    narrowing = batch.random(width, 4 * width)
    room = Fp8Rows.room(narrow.shape, narrow.device)
    forward, backward = rows.add_and_norm_forward, rows.add_and_norm_backward
    few = (gain, residual, gain, gain, 1e-12, drop)
    kept = forward(narrow.clone(), *few)[1]
    return {
        "query, key, value": _product(narrow, joined, False),
        "rows for these": Pair(None, lambda: fp8.to_fp8(narrow)),
        "widening": _product(narrow, widening, False),
        "narrowing": _product(wide, narrowing, False),
        "gradient of narrowing": _product(narrow, narrowing, True),
        "gradient of widening": Pair(
            lambda: residual.addmm_(wide, widening, alpha=1e-9),
            _product(wide, widening, True).with_fp8,
        ),
        "first norm": Pair(lambda: forward(narrow, *few), lambda: forward(narrow, *few, fp8=room)),
        "gelu": Pair(
            lambda: rows.activation_forward(wide, "gelu"),
            lambda: fp8.activation_forward_fp8(wide, "gelu"),
        ),
        "last norm's gradient": Pair(
            lambda: backward(residual, kept, gain, drop),
            lambda: backward(residual, kept, gain, drop, fp8=room),
        ),
        "first norm's gradient": Pair(
            lambda: backward(residual, kept, gain, drop),
            lambda: backward(residual, kept, gain, drop, added=added),
        ),
        "gelu's gradient": Pair(
            lambda: rows.activation_backward(given, wide, "gelu"),
            lambda: fp8.activation_backward_fp8(given, wide, "gelu"),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", action="append", choices=BATCHES, help="repeatable; all")
    for name in parser.parse_args().batch or BATCHES:
        batch = Batch(name)
        times = {
            piece: [milliseconds(way) if way else 0.0 for way in pair]
            for piece, pair in pieces(batch).items()
        }
        total = [round(sum(column), 4) for column in zip(*times.values(), strict=True)]
        facts = {"batch": name, "rows": len(batch.out), "device": torch.cuda.get_device_name()}
        print(json.dumps({**facts, "bf16, fp8": times, "sums": total}), flush=True)


if __name__ == "__main__":
    main()
