"""Runs one step on a mock batch of the largest shape, to measure its memory and time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from bertkit import log
from bertkit.backends.base import Adapter
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.data.batch_layouts import Layout
from bertkit.data.step_batch import StepBatch, weighted
from bertkit.errors import ConfigError, MissingDependencyError
from bertkit.model.bert import recompute_layers
from bertkit.model.heads import BertForPreTraining
from bertkit.storage.files import human_bytes
from bertkit.system.memory import peak_of_process
from bertkit.tasks.pretraining.batches import training_feed
from bertkit.tasks.pretraining.estimate import UsualRecords, held_passes, usual_step
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.tasks.pretraining.prepare import Prepared
from bertkit.train.step_settings import optimizer_spec

# A dry run that was not asked for a mock batch computes no longer than about so many seconds.
_MOST_SECONDS = 20.0
# Share of the speed of matrix products that small models reach at least.
_USUAL_SHARE = 0.2


@dataclass(frozen=True)
class TrialStep:
    """What one step on the largest micro-batch took.

    Attributes:
        tokens: rows of the micro-batch.
        micro_batch_seconds: of its forward pass, backward pass and update.
        peak_memory_bytes: most memory in use: of the device, or of the process where the
            device has none of its own.
        run_seconds: of the whole run, from this and the lengths of the records.
    """

    tokens: int
    micro_batch_seconds: float
    peak_memory_bytes: int
    run_seconds: float

    def text(self) -> str:
        """The figures for people, in the form of `Estimate.text`."""
        return (
            f"mock batch   {self.tokens:,} tokens in {self.micro_batch_seconds:.3g} s,"
            f" peak memory {human_bytes(self.peak_memory_bytes)}\n"
            f"time         about {log.duration(self.run_seconds)}, "
            "without evaluations and checkpoints"
        )


def run_trial_step(
    ready: Prepared, adapter: Adapter, wanted: bool | None = None
) -> TrialStep | None:
    """Run the largest micro-batch of a run once, on a model that is thrown away.

    Nothing is written and no update is kept.

    Args:
        ready: the run.
        adapter: of the machine, not yet started.
        wanted: None leaves it out where it would take long, or the machine would compile
            for it; False always does.

    Returns:
        None where it was left out.

    Raises:
        MissingDependencyError: wanted, but the machine is not here.
        ConfigError: wanted, but the machine takes no single batch.
    """
    caps = adapter.caps
    if wanted is False or Topology.from_environment().world > 1:
        return None
    if wanted is None and (caps.step_owner != "loop" or caps.fixed_shapes):
        return None
    if caps.scalar_reads == "closure":
        raise ConfigError(
            f"--mock does not work on {caps.name}: its engine runs whole loops",
            "--set cs.validate_only=true without --dry-run checks that the step compiles",
        )
    probe = adapter.probe()
    if not probe.present:
        if wanted:
            raise MissingDependencyError(
                f"--mock needs {caps.name}, which is not available on this machine: {probe.reason}",
                probe.hint,
            )
        return None
    config = ready.config
    adapter.start(options_of(config, caps.name))
    batch = largest_batch(ready, adapter)
    if wanted is None:
        speed = _USUAL_SHARE * adapter.peak_flops(config.precision)
        seconds = 2 * _batch_flops(ready, batch) / speed
        if seconds > _MOST_SECONDS:
            log.logger.info("a mock batch would take about %.0f s: see --mock", seconds)
            return None
    return _run(ready, adapter, batch)


def largest_batch(ready: Prepared, adapter: Adapter) -> StepBatch:
    """A step of one micro-batch in which every sequence is as long as records can be."""
    source, config = ready.source, ready.config
    length, most = source.max_seq_length, min(source.max_predictions_per_seq, _room(ready))
    count = config.micro_size
    places = np.arange(source.max_predictions_per_seq, dtype=np.int32)
    records = {
        "input_ids": np.ones((count, length), np.int32),
        "input_mask": np.ones((count, length), np.int32),
        "segment_ids": np.zeros((count, length), np.int32),
        "masked_lm_positions": np.tile(np.where(places < most, places + 1, 0), (count, 1)),
        "masked_lm_ids": np.ones((count, len(places)), np.int32),
        "masked_lm_weights": np.tile((places < most).astype(np.float32), (count, 1)),
        "next_sentence_labels": np.zeros(count, np.int32),
    }
    layout: Layout = training_feed(ready, adapter).arrangement
    parts = layout.micro_batches(weighted(records, config.mlm_normalisation, count))
    return StepBatch([max(parts, key=lambda part: len(part.arrays["ids"]))])


def _room(ready: Prepared) -> int:
    """Predictions that a full sequence holds: all positions but [CLS]."""
    return ready.source.max_seq_length - 1


def _run(ready: Prepared, adapter: Adapter, batch: StepBatch) -> TrialStep:
    config = ready.config
    torch.manual_seed(config.seed)
    model = BertForPreTraining(config.model)
    recompute_layers(model, config.recompute)
    placed = adapter.place(model)
    optimizer = adapter.optimizer(placed, optimizer_spec(config))
    task = PretrainingObjective(nsp=config.nsp)
    stepper = adapter.build(placed, task, ready.step_plan, optimizer, lambda step: 0.0)
    held = held_passes(config, adapter.caps)
    seconds = 0.0
    # The first one also makes what is made once; where steps are recorded, the second does that.
    for step in range(3 if held > 1 else 2):
        begin = time.perf_counter()
        stepper.read([stepper.train(batch, step)])
        seconds = time.perf_counter() - begin
    whole = usual_step(config, UsualRecords(ready.source)).operations / _batch_flops(ready, batch)
    return TrialStep(
        tokens=sum(len(part.arrays["ids"]) for part in batch.micro_batches),
        micro_batch_seconds=seconds,
        peak_memory_bytes=_peak_memory(held),
        run_seconds=seconds * whole * config.max_steps,
    )


def _batch_flops(ready: Prepared, batch: StepBatch) -> float:
    """Of the largest micro-batch."""
    tokens = sum(float(part.lengths.sum()) for part in batch.micro_batches)
    pairs = sum(float((part.lengths**2).sum()) for part in batch.micro_batches)
    masked = sum(float((part.arrays["mlm_weights"] > 0).sum()) for part in batch.micro_batches)
    return ready.config.model.training_flops(tokens, pairs, masked, batch.sequences)


def _peak_memory(held: int) -> int:
    """Of a run, in which so many passes have memory of their own; here one had at a time."""
    if not torch.accelerator.is_available():
        return peak_of_process()
    most = torch.accelerator.max_memory_allocated()
    stays = torch.accelerator.memory_allocated()
    return stays + held * (most - stays) or peak_of_process()
