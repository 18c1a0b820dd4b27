"""Does a model learn as well when products round their factors to 8 bits, as `cuda.fp8` does?

Run: PYTHONPATH=. python benchmarks/fp8_learning.py --input TRAIN.tfrecord
         --eval-input VALID.tfrecord
         [--steps 400] [--shape mini] [--seeds 1 2]

On a CPU, in float32: the same runs with plain layers and with layers that round where the
kernels do (`bertkit.model.fused.checks.reference`). Seeds decide weights, order and dropout, and so
show what a difference is worth. One line of JSON for each run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from unittest import mock

import torch
from cases import Case
from torch import Tensor

from bertkit.backends import registry
from bertkit.model.attention import Layout, attention
from bertkit.model.bert import EncoderLayer, activation, dropout, picked
from bertkit.model.config import BertConfig
from bertkit.model.fused.checks.reference import linear
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain


def rounding(
    layer: EncoderLayer, rows: Tensor, layout: Layout, keep: Tensor | None = None
) -> Tensor:
    """What `layer(rows, layout, keep)` gives with products in 8 bits."""
    mixing, widening, last = layer.attention, layer.intermediate, layer.output
    projected = linear(rows, *mixing.self.joined(), True, False)
    rate = mixing.self.rate if layer.training else 0.0
    mixed = attention(projected, mixing.self.heads, layout, rate)
    if keep is not None:
        mixed, rows = picked(mixed, keep), picked(rows, keep)
    middle = mixing.output(mixed, rows)
    wide = linear(middle, widening.dense.weight, widening.dense.bias, True, True)
    bent = activation(wide, widening.kind)
    narrow = linear(bent, last.dense.weight, last.dense.bias, True, True)
    result: Tensor = last.LayerNorm(dropout(narrow, last.rate, layer.training) + middle)
    return result


@contextlib.contextmanager
def layers(fp8: bool) -> Iterator[None]:
    """Models compute with rounding layers meanwhile, or as ever."""
    if fp8:
        with mock.patch.object(EncoderLayer, "forward", rounding):
            yield
    else:
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", required=True)
    parser.add_argument("--eval-input", required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--shape", default="mini", help="of benchmarks/cases.py")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    shape = Case(given.shape, 128, given.batch).sizes() | {"vocab_size": given.vocab_size}
    for seed in given.seeds:
        for fp8 in (False, True):
            begin = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder, layers(fp8):
                config = PretrainConfig(
                    input=[given.input], eval_input=[given.eval_input], output=f"{folder}/run",
                    model=BertConfig(**shape), precision="fp32", seed=seed, max_steps=given.steps,
                    warmup_steps=given.steps // 10, learning_rate=given.rate,
                    global_batch_size=given.batch, micro_batch_size=given.batch,
                )  # fmt: skip
                result = pretrain(config, registry.get("cpu"))
            row = {"seed": seed, "fp8": fp8, "train": result.train, "eval": result.evaluation}
            seconds = round(time.perf_counter() - begin, 1)
            print(json.dumps({**row, "seconds": seconds, "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
