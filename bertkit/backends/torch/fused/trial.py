"""Tries what is fused on this process's GPU: is it right, and are layers faster?

Run: python -m bertkit.backends.torch.fused.trial CASE 0, with a `Case` as JSON and the number of
a GPU. The last line of standard output is the `Answer` as JSON. `choice` starts it, as a
process of its own: kernels that nobody has tried on a GPU may crash, hang or damage its state.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bertkit.backends.torch.compiled import compile_parts
from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import Embeddings, EncoderLayer, initialise
from bertkit.model.chunked_loss import padded_size
from bertkit.model.config import BertConfig
from bertkit.model.fused.dispatch import run_fused

_ROUNDS, _CALLS = 4, 10
_SHORTEST = 0.3  # of the longest sequence


@dataclass(frozen=True)
class Case:
    """What is tried.

    Attributes:
        hidden_size: and the next five: as in `BertConfig`.
        rows: of a forward pass, about.
        longest: rows of the longest sequence.
        compiled: what the layer is compared with is compiled.
        dynamic: for any number of rows.
        vocab_size: and the next two: of the embeddings; the loss has the first, too.
        fp8: the kernels' products are in 8 bits.
    """

    hidden_size: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float
    rows: int
    longest: int
    compiled: bool
    dynamic: bool
    vocab_size: int = 30_522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    fp8: bool = False

    @classmethod
    def of(cls, model: BertConfig, **others: Any) -> Case:
        """For layers of a model; `others` are what it does not say."""
        known = {item.name for item in fields(model)} & {item.name for item in fields(cls)}
        return cls(**{name: getattr(model, name) for name in known}, **others)

    @property
    def config(self) -> BertConfig:
        """Of a model with one such layer."""
        known = {item.name for item in fields(BertConfig)}
        sizes = {name: value for name, value in asdict(self).items() if name in known}
        return BertConfig(**sizes | {"num_hidden_layers": 1})

    def layer(self) -> EncoderLayer:
        """A layer of these sizes with new weights."""
        layer = EncoderLayer(self.config)
        initialise(layer, self.config)
        layer.fp8 = self.fp8
        return layer

    def embeddings(self, device: torch.device) -> Embeddings:
        """Embeddings of these sizes, made there: large tables take long on a CPU."""
        with device:
            return Embeddings(self.config)

    def layout(self) -> UnpaddedLayout:
        """Sequences of many lengths, about `rows` long together."""
        mean = (1 + _SHORTEST) / 2 * self.longest
        count = max(1, round(self.rows / mean))
        shares = np.linspace(_SHORTEST, 1.0, count + 1)[1:]
        return UnpaddedLayout(np.maximum(1, np.round(shares * self.longest)).astype(int))

    def odd_layout(self) -> UnpaddedLayout:
        """Sequences that end within tiles and fill them, are short, and have no rows at all."""
        lengths = (1, 0, self.longest, 3, self.longest - 1, 65, 64, 0, 17, 16, 2)
        return UnpaddedLayout(min(length, self.longest) for length in lengths)


@dataclass(frozen=True)
class Answer:
    """What a trial has found.

    Attributes:
        wrong: what is not right with the kernels, in words; empty: nothing.
        usual: milliseconds of a layer's forward and backward pass by PyTorch; 0 where the
            kernels are wrong.
        fused: the same by the kernels.
    """

    wrong: str = ""
    usual: float = 0.0
    fused: float = 0.0

    @classmethod
    def read(cls, values: Any) -> Answer:
        """From what JSON has made of one.

        Raises:
            TypeError, ValueError: it is none.
        """
        answer = cls(**values)
        times = [float(answer.usual), float(answer.fused)]
        if not isinstance(answer.wrong, str):
            raise TypeError("a text says what is wrong")
        if not answer.wrong and not all(math.isfinite(each) and each > 0 for each in times):
            raise ValueError("times are above 0")
        return cls(answer.wrong, *times)


def tried(case: Case, device: torch.device, kind: torch.dtype = torch.bfloat16) -> Answer:
    """Check and time a layer.

    Args:
        case: its sizes.
        device: of the kernels.
        kind: half precision.
    """
    from bertkit.model.fused.checks import embedding_check, loss_check  # loads Triton
    from bertkit.train.optimization import update_check

    torch.manual_seed(0)
    layer, layout = case.layer().to(device, kind), case.layout().to(device)
    for lengths in (case.odd_layout().to(device), layout):
        if wrong := what_is_wrong_with(layer, lengths):
            return Answer(wrong)
    if wrong := loss_check.what_is_wrong(padded_size(case.vocab_size), device, kind):
        return Answer(wrong)
    if wrong := embedding_check.what_is_wrong(case.embeddings(device), kind):
        return Answer(wrong)
    # A run asks again, and does without it where it is wrong: here it may crash.
    update_check.what_is_wrong(device, kind)
    plain = copy.deepcopy(layer.train())
    if case.compiled:
        compile_parts(plain, dynamic=case.dynamic)
    rows = torch.randn(layout.rows, case.hidden_size).to(device, kind)
    ways = (
        Way(plain, lambda rows: plain(rows, layout)),
        Way(layer, lambda rows: run_fused(layer, rows, layout, None)),
    )
    return Answer("", *milliseconds(ways, rows))


def what_is_wrong_with(layer: EncoderLayer, layout: UnpaddedLayout) -> str | None:
    """What the kernels compute wrongly for a layer in half precision; None: nothing."""
    from bertkit.model.fused.checks.layer_check import what_is_wrong

    weight = layer.output.dense.weight
    rows = torch.randn(layout.rows, len(weight)).to(weight.device, weight.dtype)
    return what_is_wrong(layer, rows, layout)


class Way(NamedTuple):
    """One way to compute a layer.

    Attributes:
        layer: whose weights get gradients.
        call: rows to rows.
    """

    layer: EncoderLayer
    call: Callable[[Tensor], Tensor]


def milliseconds(ways: Sequence[Way], rows: Tensor) -> list[float]:
    """Of a forward and a backward pass in each way, the host's work included.

    The best of some rounds, in which the ways take turns: a GPU's clock rises and falls.
    """
    rows = rows.detach().requires_grad_()
    given, best = torch.randn_like(rows), [float("inf")] * len(ways)
    for number in range(_ROUNDS + 1):  # the first one compiles
        for which, way in enumerate(ways):
            wanted = [rows, *way.layer.parameters()]
            begin = time.perf_counter()
            for _ in range(_CALLS if number else 2):
                torch.autograd.grad(way.call(rows), wanted, given)
            if rows.device.type != "cpu":
                torch.accelerator.synchronize(rows.device)
            if number:
                best[which] = min(best[which], (time.perf_counter() - begin) / _CALLS)
    return [round(1e3 * seconds, 4) for seconds in best]


def main() -> None:
    """Try the case on the command line on the GPU whose number stands behind it."""
    # Whatever libraries print is not the answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    text, index = sys.argv[1:]
    try:
        device = torch.device("cuda", int(index))
        torch.cuda.set_device(device)
        torch.backends.cuda.enable_cudnn_sdp(False)  # as runs have it
        answer = tried(Case(**json.loads(text)), device)
    except Exception as error:
        traceback.print_exc()
        first = str(error).strip().partition("\n")[0]  # PyTorch's go on with advice
        sys.exit(f"{type(error).__name__}: {first}")
    os.write(answers, (json.dumps(asdict(answer)) + "\n").encode())
    os._exit(0)  # the compiler's own processes are not waited for


if __name__ == "__main__":
    main()
