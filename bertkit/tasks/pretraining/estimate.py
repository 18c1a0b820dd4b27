"""Estimates the steps, memory and disk a run needs, without computing a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bertkit import log
from bertkit.backends.base import Caps
from bertkit.backends.sections import options_of
from bertkit.data.record_source import SampleSource
from bertkit.data.step_batch import Records, sequence_lengths
from bertkit.model.config import BertConfig
from bertkit.storage.files import free_bytes, human_bytes
from bertkit.system import memory
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.train.checkpoints import checkpoint

_SAMPLE = 2048
_RECORDED = 2  # passes: recordings keep theirs, beside that of passes that are run
_SHARE = 0.8  # of a device's memory; what is cut up and cannot be used is in the rest
_ENOUGH = 65_536  # tokens in a pass, from which on more of them are not faster


@dataclass(frozen=True)
class Estimate:
    """A run in numbers.

    Attributes:
        parameters: of the model.
        steps: optimizer steps of the whole run.
        warmup_steps: of them with a rising rate.
        epochs: passes over the records.
        records: in the source.
        batch_equation: how the global batch comes about.
        eval_every: steps between evaluations; 0: only at the end, or none.
        eval_every_samples: the same in samples, where they are asked for so.
        evaluates: there are records to evaluate on.
        backend: name of it.
        device_memory: bytes of the device that the micro-batch was chosen for; 0: for none.
        memory_bytes: weights, gradients, moments, copies in half precision, and activations of
            one micro-batch; of two where passes are recorded.
        checkpoint_bytes: of one checkpoint.
        disk_bytes: of all checkpoints that are kept.
    """

    parameters: int
    steps: int
    warmup_steps: int
    epochs: float
    records: int
    batch_equation: str
    memory_bytes: int
    checkpoint_bytes: int
    disk_bytes: int
    eval_every: int = 0
    eval_every_samples: int = 0
    evaluates: bool = False
    backend: str = "cpu"
    device_memory: int = 0

    def text(self) -> str:
        """The estimate for people."""
        allowed = memory.allowed()
        room = human_bytes(self.device_memory) if self.device_memory else ""
        chosen = f" (as many at once as are good for {room})" if room else ""
        here = self.backend in ("cpu", "auto")  # others have memory of their own
        of_machine = f" (this machine has {human_bytes(allowed)})" if allowed and here else ""
        return "\n".join(
            (
                f"parameters   {self.parameters:,}",
                f"batch        {self.batch_equation}{chosen}",
                f"steps        {self.steps:,}, the first {self.warmup_steps:,} warming up",
                *([f"evaluation   {self._evaluation()}"] if self.evaluates else []),
                f"epochs       {self.epochs:,.2f} of {self.records:,} records",
                f"memory       about {human_bytes(self.memory_bytes)}{of_machine}",
                f"disk         {human_bytes(self.disk_bytes)},"
                f" {human_bytes(self.checkpoint_bytes)} per checkpoint",
            )
        )

    def warn_of_shortage(self, output: str | Path) -> None:
        """Say so where the run needs more memory or disk than there is.

        Args:
            output: the run's folder; checkpoints that it has make way for new ones.
        """
        there = len(checkpoint.in_run(output)) * self.checkpoint_bytes
        free = free_bytes(output)
        if self.disk_bytes > free + there:
            log.logger.warning(
                "checkpoints of this run take up to %s, and %s are free at %s: keep fewer with"
                " --keep-last",
                human_bytes(self.disk_bytes),
                human_bytes(free + there),
                output,
            )
        # For memory the system kills a process unheard.
        left = memory.available()
        if self.backend == "cpu" and left is not None and self.memory_bytes > left:
            log.logger.warning(
                "this run needs about %s of memory, and %s are left here: it may be killed; a"
                " smaller --micro-batch-size or --recompute needs less",
                human_bytes(self.memory_bytes),
                human_bytes(left),
            )

    def _evaluation(self) -> str:
        if self.eval_every_samples:
            return f"every {self.eval_every_samples:,} samples, and at the end"
        steps = f"every {self.eval_every:,} steps, and " if self.eval_every else ""
        return f"{steps}at the end"


def warming_up(config: PretrainConfig, steps: int) -> int:
    """Steps at the beginning of a run in which the rate rises."""
    if not config.stage:
        return config.warmup(steps)
    rising = 0
    for text in config.stage:
        kind, number, *rates = text.split(":")
        if kind == "constant" or len(rates) < 2 or float(rates[1]) <= float(rates[0]):
            break
        rising += int(number) if number else max(0, steps - rising)
    return min(rising, steps)


def estimate(
    config: PretrainConfig,
    records: int,
    max_seq_length: int,
    world: int = 1,
    device_memory: int = 0,
    caps: Caps | None = None,
) -> Estimate:
    """What a run will need, before it starts.

    Args:
        config: resolved settings.
        records: in the source.
        max_seq_length: of the records.
        world: processes that train together; memory is that of one.
        device_memory: bytes of the device that the micro-batch was chosen for; 0: for none.
        caps: of the backend; None: nothing is kept but what every backend keeps.
    """
    parameters = config.model.parameter_count()
    steps = config.steps(records)
    # fp32 weights and gradients, two moments.
    moments = 0 if config.optimizer == "sgd" else 2
    copies = 2 + moments / (world if config.shard_optimizer else 1)
    if config.precision == "bf16" and caps and caps.working_copies:
        copies += 1  # 2 bytes each of weights and gradients
    checkpoint_bytes = (1 + moments) * 4 * parameters
    held = held_passes(config, caps) if caps else 1
    written = 1 + ((steps - 1) // config.save_every if config.save_every else 0)
    # One more than is kept exists for a moment, while the new one is written.
    kept = min(written, config.keep_last + 1) if config.keep_last else written
    return Estimate(
        parameters=parameters,
        steps=steps,
        warmup_steps=warming_up(config, steps),
        epochs=steps * config.global_batch_size / records,
        records=records,
        batch_equation=config.batch_equation(world),
        memory_bytes=int(copies * 4 * parameters) + held * activation_bytes(config, max_seq_length),
        checkpoint_bytes=checkpoint_bytes,
        disk_bytes=kept * checkpoint_bytes,
        eval_every=config.eval_every,
        eval_every_samples=config.eval_samples,
        evaluates=bool(config.eval_input),
        backend=config.backend,
        device_memory=device_memory,
    )


def held_passes(config: PretrainConfig, caps: Caps, before: Mapping[str, Any] | None = None) -> int:
    """Passes whose activations have memory of their own.

    Args:
        config: settings of a run.
        caps: of the backend that runs it.
        before: settings of the machine that the run had so far, where it leaves open now
            whether passes are recorded.
    """
    if not caps.records_steps:
        return 1
    recorded = options_of(config, caps.name).graphs
    if recorded is None:
        recorded = (before or {}).get("graphs")
    return _RECORDED if recorded else 1


def activation_bytes(config: PretrainConfig, max_seq_length: int) -> int:
    """Upper estimate of what one micro-batch keeps for its backward pass.

    Per layer and token about 16 vectors of the hidden size (inputs of the products,
    normalisations, dropout masks, residuals) and 3 of the inner size; per layer and head
    the attention probabilities with their dropout; all sequences taken as full. Where
    activations are computed again, one layer's and the rows between layers.
    """
    shape: BertConfig = config.model
    number = 2 if config.precision in ("bf16", "fp16") else 4
    tokens = config.micro_size * max_seq_length
    per_token = 16 * shape.hidden_size + 3 * shape.intermediate_size
    attention = 2 * config.micro_size * shape.num_attention_heads * max_seq_length**2
    layer = number * (tokens * per_token + attention)
    if config.recompute:
        return layer + shape.num_hidden_layers * number * tokens * shape.hidden_size
    return shape.num_hidden_layers * layer


@dataclass(frozen=True)
class UsualStep:
    """What a step of a run computes on average, in all processes together.

    Attributes:
        rows: tokens, and the padding that is computed with them.
        predictions: masked tokens.
        operations: of floating point numbers.
    """

    rows: float
    predictions: float
    operations: float


@dataclass(frozen=True)
class UsualRecords:
    """What records of a source are like; some of them are read once, when that is asked.

    Attributes:
        source: of the records.
    """

    source: SampleSource

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return self.source.max_seq_length

    @cached_property
    def lengths(self) -> np.ndarray:
        """float64[n], tokens of each."""
        return sequence_lengths(self.sample["input_mask"]).astype(float)

    @cached_property
    def predictions(self) -> float:
        """Masked tokens of one, on average."""
        return float((self.sample["masked_lm_weights"] > 0).sum(axis=1).mean())

    @cached_property
    def numbers(self) -> np.ndarray:
        """int64[n], those of evenly spaced records."""
        count = len(self.source)
        return np.linspace(0, count - 1, min(_SAMPLE, count)).astype(np.int64)

    @cached_property
    def sample(self) -> Records:
        """The records of these numbers in the first epoch, in their order."""
        return self.source.at_epoch(0).batch(self.numbers)

    def place(self, row: int) -> str:
        """Where the record of a row of the sample stands, for messages."""
        number = int(self.numbers[row])
        found = getattr(self.source, "place", None)
        return str(found(number)) if found else f"instance {number} of --text"


def usual_step(config: PretrainConfig, records: UsualRecords) -> UsualStep:
    """A step's work.

    Args:
        config: settings of which the layout is final.
        records: of the run.
    """
    lengths = records.lengths
    if config.layout == "padded":
        lengths = np.full_like(lengths, records.longest)
    count = float(config.global_batch_size)
    masked = count * records.predictions
    rows = count * float(lengths.mean())
    pairs = count * float((lengths**2).mean())
    return UsualStep(rows, masked, config.model.training_flops(rows, pairs, masked, count))


def fitting_size(
    config: PretrainConfig, records: UsualRecords, world: int, memory: int, held: int = 1
) -> int:
    """Sequences of a forward pass that a device's memory holds with room to spare.

    It depends on the size of the memory and not on what is free of it, so that a run that
    resumes sums up in the same order. More than a device is busy with are not taken.

    Args:
        config: resolved settings but for this one.
        records: of the run.
        world: processes that train together.
        memory: bytes of one device; 0: not known.
        held: passes whose activations have memory of their own.

    Returns:
        A divisor of the sequences that a process has in a step, 0 where the memory is not
        known.
    """
    share = config.global_batch_size // world
    if not memory or config.global_batch_size % world:
        return 0
    left = _SHARE * memory - _state_bytes(config)
    tokens = min(_ENOUGH, left / held / _bytes_per_token(config))
    most = _most_tokens(config, records)
    fit = [n for n in range(1, share + 1) if share % n == 0 and most(n) <= tokens]
    return max(fit, default=1)


def recorded_memory(config: PretrainConfig, records: UsualRecords) -> int:
    """Bytes of a device that holds recorded passes with the room to spare of `fitting_size`.

    Args:
        config: resolved settings, with the sequences of a forward pass.
        records: of the run.
    """
    tokens = _most_tokens(config, records)(config.micro_size)
    needed = _state_bytes(config) + _RECORDED * tokens * _bytes_per_token(config)
    return int(needed / _SHARE)


def _state_bytes(config: PretrainConfig) -> float:
    """Weights, gradients and moments in fp32, copies of the first two in half precision."""
    return 20.0 * config.model.parameter_count()


def _most_tokens(config: PretrainConfig, records: UsualRecords) -> Callable[[int], float]:
    """Of a number of sequences, with very few exceptions."""
    lengths = records.lengths
    if config.layout != "unpadded":
        lengths = np.full_like(lengths, records.longest)
    mean, deviation = float(lengths.mean()), float(lengths.std())

    def most(size: int) -> float:
        spread = 3.5 * deviation * math.sqrt(size)
        return min(size * mean + spread, size * records.longest)

    return most


def _bytes_per_token(config: PretrainConfig) -> float:
    """What a token keeps for the backward pass, by kernels that keep no attention scores.

    Per layer 13 rows of the hidden size and 2 of the inner one in the compute type with
    their dropout masks, a seventh added for what lives for a moment; and the logits of the
    tokens to predict, about a seventh of all, in several forms.
    """
    shape = config.model
    size = 2 if config.precision in ("bf16", "fp16") else 4
    layer = 1.15 * size * (13 * shape.hidden_size + 2 * shape.intermediate_size)
    layers = shape.num_hidden_layers * layer
    if config.recompute:
        layers = layer + shape.num_hidden_layers * size * shape.hidden_size
    return layers + 0.16 * 18 * shape.vocab_size
