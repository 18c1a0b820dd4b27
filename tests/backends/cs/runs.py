"""Runs of the cs adapter, on the vendor's package or on the stand-in for it.

`make test-cs` sets BERTKIT_CEREBRAS=1 and runs `test_cs.py` on the package, everything
else runs it on `fakes/cerebras`; what a test demands is the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import synthetic
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.data.prefetch import StepRange
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.records.files.tfrecord.frames import encode_example
from bertkit.records.files.tfrecord.frames import write_records as write_records_file
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization.schedule import make_schedule

REAL = os.environ.get("BERTKIT_CEREBRAS") == "1"
FAKES = Path(__file__).parents[1] / "fakes"
LENGTH, PREDICTIONS = 24, 4
SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=LENGTH, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip


def write_records(folder: Path) -> Path:
    """Forty records to train on, half of them so short that three fit a row, and ten others."""
    random = np.random.default_rng(1)
    made = []
    for number in range(40):
        found = synthetic.record(random, LENGTH if number % 2 else 9, PREDICTIONS)
        for name in ("input_ids", "input_mask", "segment_ids"):
            found[name] = np.pad(found[name], (0, LENGTH - len(found[name])))
        made.append(encode_example(found))
    write_records_file(folder / "train.tfrecord", made)
    synthetic.write(folder / "eval.tfrecord", 10, length=LENGTH, predictions=PREDICTIONS, seed=2)
    return folder


@contextmanager
def package() -> Iterator[ModuleType]:
    """`cerebras.pytorch`; the stand-in is fresh every time and gone afterwards."""
    if REAL:
        import cerebras.pytorch

        yield cerebras.pytorch
        return
    sys.path.insert(0, str(FAKES))
    os.environ["FAKE_CIRH"] = "1"
    try:
        import cerebras.pytorch

        yield cerebras.pytorch
    finally:
        if cerebras.pytorch.backend() is not None:
            cerebras.pytorch.backend().close()
        del os.environ["FAKE_CIRH"]
        sys.path.remove(str(FAKES))
        for name in [name for name in sys.modules if name.partition(".")[0] == "cerebras"]:
            del sys.modules[name]


def command(*words: object) -> SimpleNamespace:
    """A bertkit command in a process of its own: the package has one backend in each."""
    done = _python("-m", "bertkit", *map(str, words))
    return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr)


def program(text: str) -> str:
    """The last line that a program prints; the stand-in's programs run here."""
    if REAL:
        done = _python("-c", text)
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr
    printed = io.StringIO()
    module = ModuleType("cs_program")
    sys.modules[module.__name__] = module  # workers look its functions up
    with package(), contextlib.redirect_stdout(printed):
        exec(text, module.__dict__)
    del sys.modules[module.__name__]
    return printed.getvalue().strip().splitlines()[-1]


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    paths = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], env=paths, capture_output=True, text=True)


def feed(folder: Path, layout: str, fixed: bool, size: int = 8) -> RecordFeed:
    source = RecordSource([str(folder / "train.tfrecord")])
    order = SampleOrder(len(source), 0, shuffle=False)
    return RecordFeed(source, order, size, 4, layout, "global_step", synthetic.VOCAB, fixed=fixed)


def train(
    adapter: CpuAdapter | CsAdapter, records: Path, artifacts: Path, layout: str = "padded",
    steps: int = 3, optimizer: str = "sgd", schedule=None, options: CsOptions | None = None,
    **plan: object,
) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:  # fmt: skip
    """The numbers of every step and the weights after the last."""
    torch.manual_seed(7)
    model = BertForPreTraining(SHAPE)
    cs = isinstance(adapter, CsAdapter)
    given = options or CsOptions(device="cpu", artifacts=str(artifacts))
    adapter.start(given if cs else None)
    shape = StepShape(4, 2, LENGTH, PREDICTIONS)
    rates = schedule or make_schedule("linear", learning_rate=0.5, max_steps=4, warmup_steps=2)
    placed = adapter.place(model)
    stepper = adapter.build(
        placed, PretrainingObjective(),
        StepPlan(layout=layout, shape=shape, model=SHAPE, max_grad_norm=0.3, **plan),
        adapter.optimizer(placed, OptimizerSpec(optimizer, weight_decay=0.01)), rates,
    )  # fmt: skip
    numbers = []
    with adapter.loader(StepRange(feed(records, layout, fixed=cs), 0, steps)) as batches:
        for step, batch in enumerate(batches):
            assert batch.next_position == 8 * (step + 1)
            numbers += stepper.read([stepper.train(batch, step)])
    saved: list[dict[str, torch.Tensor]] = []
    stepper.at_checkpoint(
        lambda: saved.append({k: v.clone() for k, v in adapter.weights(placed).items()})
    )
    return numbers, saved[0]


def far(ours, theirs, leave_out=()):
    """Largest difference of all weights whose name holds none of `leave_out`."""
    assert ours.keys() == theirs.keys()
    return max(
        float((ours[name] - theirs[name]).abs().max())
        for name in ours
        if not any(part in name for part in leave_out)
    )


def tiny():
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
             "intermediate_size", "max_position_embeddings")  # fmt: skip
    return [w for name in names for w in ("--set", f"model.{name}={getattr(SHAPE, name)}")]
