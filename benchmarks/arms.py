"""What the training benchmarks compare: bertkit's trainer and Hugging Face's, step by step.

Each arm is a process of its own with its own allocator settings, and trains the same
records, in the same order, with the same model and optimizer settings. It works only
when it is told to, so that arms can take turns on one machine; a step is timed from the
end of the one before, so batches, optimizer and logging belong to it.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import resource
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case, InMemory
from gpu_tile_file import use as use_tiles

from bertkit.data.sample_order import SampleOrder

ENDLESS = 1_000_000


class Meter:
    """Times steps, and holds its arm up until it is told to take more."""

    def __init__(self, pipe: Any, device: str, processor: bool = False) -> None:
        self._pipe, self._device = pipe, device
        self._clock = time.process_time if processor else time.perf_counter
        self._left, self._seconds, self._last = 0, list[float](), 0.0
        self._wait()

    def step_done(self) -> bool:
        """To be called after every step; False when the arm is to stop."""
        if self._left == 1:  # a device may run ahead of the host between
            self._synchronise()
        now = self._clock()
        self._seconds.append(now - self._last)
        self._last = now
        self._left -= 1
        return bool(self._left) or self._wait()

    def _wait(self) -> bool:
        self._pipe.send((self._seconds, self._memory()))
        self._left = self._pipe.recv()
        self._seconds, self._last = [], self._clock()
        return self._left > 0

    def _synchronise(self) -> None:
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()

    def _memory(self) -> float:
        """Peak in GB: of the GPU, or of the process."""
        if self._device == "cuda":
            import torch

            return torch.cuda.max_memory_allocated() / 1e9
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


class Unsaved:
    """Writes no checkpoint."""

    def save(self, progress: Any) -> Path:
        """Nothing; the folder is never there."""
        return Path()

    def wait_for_saves(self) -> None:
        """Nothing to wait for."""


class _Done(Exception):
    """Ends bertkit's loop from inside a step."""


@dataclass(frozen=True)
class BertkitArm:
    """What bertkit trains a case with.

    Attributes:
        adapter: of the device, started.
        config: the settings of the run.
        model: `BertForPreTraining` on the device.
        feed: the batches, in the order in which all arms see the records.
        stepper: takes the steps.
    """

    adapter: Any
    config: Any
    model: Any
    feed: Any
    stepper: Any


def _config(
    case: Case, adapter: Any, precision: str, compiled: bool, settings: dict[str, Any]
) -> Any:
    """Settings of a case; what is none of `PretrainConfig` is of its section `cuda`."""
    from bertkit.backends.torch.options import CudaOptions
    from bertkit.model.config import BertConfig
    from bertkit.tasks.pretraining.config import PretrainConfig

    of_cuda = {item.name for item in fields(CudaOptions)} & set(settings)
    cuda = {"fused": False, "graphs": False, **{name: settings[name] for name in of_cuda}}
    return PretrainConfig(
        input=["made"],
        output="none",
        backend=adapter.caps.name,
        precision=precision,
        max_steps=ENDLESS,
        layout=adapter.caps.layout("auto"),
        global_batch_size=case.batch,
        model=BertConfig(**case.sizes()),
        cuda=CudaOptions(compile=compiled, **cuda),
        **{name: value for name, value in settings.items() if name not in of_cuda},
    )


def build_bertkit(
    case: Case,
    records: dict[str, np.ndarray],
    precision: str,
    device: str,
    *,
    compiled: bool = False,
    threads: int = 0,
    tiles: str = "",
    **settings: Any,
) -> BertkitArm:
    """Model, batches and stepper as `bertkit pretrain` makes them; `threads` 0 leaves torch's.

    Args:
        tiles: a file of gpu_tiles.py, whose tiles fused layers use from now on in this process.
        settings: further ones of `PretrainConfig`, and of its section `cuda`.
    """
    import torch

    from bertkit.backends import registry
    from bertkit.backends.sections import options_of
    from bertkit.model.heads import BertForPreTraining
    from bertkit.tasks.pretraining.batches import training_feed
    from bertkit.tasks.pretraining.objective import PretrainingObjective
    from bertkit.tasks.pretraining.prepare import Prepared, step_shape
    from bertkit.tokenization.tokenizer_facts import NOT_RECORDED
    from bertkit.train.optimization.schedule import make_schedule
    from bertkit.train.step_settings import make_step_plan, optimizer_spec

    if tiles:
        use_tiles(tiles, f"{case.shape}-{case.length}")
    torch.manual_seed(1)
    adapter = registry.get(device)
    source = InMemory(records)
    config = _config(case, adapter, precision, compiled, settings)
    shape = step_shape(config, [source], 1)
    plan = make_step_plan(config, shape, config.model, options_of(config, device))
    ready = Prepared(
        config=config,
        source=source,
        eval_source=None,
        vocab=None,
        tokenizer=NOT_RECORDED,
        step_plan=plan,
        tokens=config.model.vocab_size,
    )
    feed = training_feed(ready, adapter)
    feed = replace(feed, order=SampleOrder(case.records, 1, shuffle=False))
    adapter.start(options_of(config, device))
    if threads:
        torch.set_num_threads(threads)
    model = adapter.place(BertForPreTraining(config.model))
    schedule = make_schedule("linear", learning_rate=1e-4, max_steps=ENDLESS, warmup_steps=1000)
    optimizer = adapter.optimizer(model, optimizer_spec(config))
    stepper = adapter.build(model, PretrainingObjective(), plan, optimizer, schedule)
    return BertkitArm(adapter, config, model, feed, stepper)


def run_bertkit(
    case: Case,
    records: dict[str, np.ndarray],
    precision: str,
    device: str,
    pipe: Any,
    threads: int,
    processor: bool,
    compiled: bool = False,
    settings: dict[str, Any] | None = None,
    **_: Any,
) -> None:
    """bertkit: `Trainer` over the device's stepper, with batches as `pretrain` makes them."""
    from bertkit.train.trainer import LoopSettings, Progress, Trainer

    arm = build_bertkit(
        case, records, precision, device, compiled=compiled, threads=threads, **(settings or {})
    )
    if device == "cuda":
        warm_up(arm.stepper, arm.feed.steps(0, case.records // case.batch))
    meter = Meter(pipe, device, processor)
    train = arm.stepper.train

    def timed(batch: Any, step: int) -> Any:
        ticket = train(batch, step)
        if not meter.step_done():
            raise _Done
        return ticket

    arm.stepper.train = timed
    settings = LoopSettings(steps=ENDLESS, log_every=10)

    def batches(position: int, limit: int) -> Any:
        return arm.adapter.loader(functools.partial(arm.feed.steps, position, limit))

    with contextlib.suppress(_Done):
        trainer = Trainer(settings, stepper=arm.stepper, batches=batches, checkpoints=Unsaved())
        trainer.run(Progress())


def warm_up(stepper: Any, steps: Any) -> None:
    """Train on one step of every number of rows there is where they are few, else on three."""
    batches = list(steps)
    sizes = [frozenset(len(p.arrays["ids"]) for p in batch.micro_batches) for batch in batches]
    few = len(frozenset().union(*sizes)) <= 8
    seen: frozenset[int] = frozenset()
    for number, (batch, rows) in enumerate(zip(batches, sizes, strict=True)):
        if number < 3 or (few and not rows <= seen):
            stepper.train(batch, 0)
            seen |= rows


def _rows(records: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Records as the rows of tensors that Hugging Face's trainer collates."""
    import torch

    labels = np.full(records["input_ids"].shape, -100, np.int64)
    row, place = np.nonzero(records["masked_lm_weights"])
    labels[row, records["masked_lm_positions"][row, place]] = records["masked_lm_ids"][row, place]
    columns = {
        "input_ids": records["input_ids"],
        "token_type_ids": records["segment_ids"],
        "attention_mask": records["input_mask"],
        "labels": labels,
        "next_sentence_label": records["next_sentence_labels"][:, 0],
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in columns.items()}
    return [
        {name: values[number] for name, values in tensors.items()} for number in range(len(labels))
    ]


def run_hugging_face(
    case: Case,
    records: dict[str, np.ndarray],
    precision: str,
    device: str,
    pipe: Any,
    threads: int,
    processor: bool,
    keep_memory: bool,
    folder: str,
    **_: Any,
) -> None:
    """Hugging Face: `Trainer` with BertForPreTraining, sdpa, rows padded as records are."""
    import torch
    from transformers import BertConfig, BertForPreTraining, Trainer, TrainingArguments
    from transformers.trainer_callback import TrainerCallback

    if keep_memory and device == "cpu":
        from bertkit.system.allocator import keep_freed_memory

        keep_freed_memory()
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    model = BertForPreTraining(BertConfig(**case.sizes(), attn_implementation="sdpa"))
    rows = _rows(records)
    meter: Meter | None = None

    class Beat(TrainerCallback):
        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = not meter.step_done()

    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=case.batch,
        max_steps=ENDLESS,
        learning_rate=1e-4,
        warmup_steps=1000,
        weight_decay=0.01,
        adam_epsilon=1e-6,
        bf16=precision == "bf16",
        use_cpu=device == "cpu",
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        logging_steps=10,
        train_sampling_strategy="sequential",
    )
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[Beat()])
    meter = Meter(pipe, device, processor)
    with open(Path(folder) / "log", "w") as log, contextlib.redirect_stdout(log):
        trainer.train()


SIDES = {"bertkit": run_bertkit, "hf": run_hugging_face}


class Arm:
    """A process that trains one case when asked.

    Args:
        side: a key of `SIDES`.
        options: for its function.
    """

    def __init__(self, side: str, case: Case, **options: Any) -> None:
        self.name = f"{side} {options['precision']}"
        self.seconds: list[float] = []
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=SIDES[side], args=(case,), kwargs={**options, "pipe": theirs}, daemon=True
        )
        self._process.start()
        self._receive()
        self.memory = 0.0

    def run(self, steps: int) -> list[float]:
        """Seconds of the next steps."""
        self._pipe.send(steps)
        seconds, self.memory = self._receive()
        return seconds

    def close(self) -> None:
        """End the process."""
        self._pipe.send(0)
        self._process.join(60)

    def _receive(self) -> tuple[list[float], float]:
        while not self._pipe.poll(1.0):
            if not self._process.is_alive():
                raise RuntimeError(f"{self.name} ended with status {self._process.exitcode}")
        received: tuple[list[float], float] = self._pipe.recv()
        return received
