"""Runs a training step on IPUs: one call computes all micro-batches and the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bertkit.backends.base import CompiledOnly, Schedule, StepPlan, Task, Ticket
from bertkit.backends.ipu.engine_options import (
    inference_iterations,
    inference_options,
    poptorch,
    training_options,
)
from bertkit.backends.ipu.model import LossModule, by_sequence, joined
from bertkit.backends.ipu.optimizers import load_saved_state, saved_state
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import Pipeline
from bertkit.backends.ipu.rules import accumulation
from bertkit.backends.process_group import ProcessGroup
from bertkit.backends.torch.step import read_tickets, shared_scales, step_facts
from bertkit.data.step_batch import MicroBatch, StepBatch, multiplied
from bertkit.errors import ConfigError, DataError


class AttachedModel:
    """The compiled model that is attached to the IPUs; there is one at a time."""

    def __init__(self) -> None:
        self._model: Any = None
        self._trains = False

    def attach(self, executor: Any, trains: bool) -> None:
        """Attach a model; weights that the one before trained go to the host first."""
        if self._model is executor:
            return
        self.detach()
        if executor.isCompiled():
            executor.attachToDevice()  # uploads the host's weights
        self._model, self._trains = executor, trains

    def fetch_weights(self) -> None:
        """Bring the host's weights up to date with the IPUs'."""
        if self._trains and self._model.isAttachedToDevice():
            self._model.copyWeightsToHost()

    def detach(self) -> None:
        """Free the IPUs."""
        self.fetch_weights()
        if self._model is not None and self._model.isAttachedToDevice():
            self._model.detachFromDevice()
        self._model, self._trains = None, False


@dataclass
class IpuStepper:
    """Whole steps on IPUs.

    Attributes:
        model: on the host; its weights are those of the IPUs after `AttachedModel.fetch_weights`.
        task: gives the loss.
        plan: of the step.
        options: the backend's settings.
        pipeline: of the model.
        attached: the model that has the IPUs.
        process_group: the processes that train together.
        several: poprun started several processes.
        optimizer: the engine's; None where nothing is trained.
        schedule: the learning rate by updates done.
    """

    model: nn.Module
    task: Task
    plan: StepPlan
    options: IpuOptions
    pipeline: Pipeline
    attached: AttachedModel
    process_group: ProcessGroup
    several: bool = False
    optimizer: Any = None
    schedule: Schedule | None = None
    _training_model: Any = None
    _inference_model: Any = None
    _sequences: int = 0
    _random: list[int] = field(default_factory=list)

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        if self.schedule is None:
            raise RuntimeError("this stepper was built to evaluate")
        rate = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        executor, tensors = self._compiled_step(batch)
        if self.options.compile_only:
            kept = self.options.executable_cache or "no ipu.executable_cache keeps it"
            raise CompiledOnly(f"the step is compiled ({kept})")
        # The engine keeps a copy of the optimizer: without this it would not see the rate.
        executor.setOptimizer(self.optimizer)
        found = self._outputs(executor, executor(*tensors.values()))
        sums = {name: value.sum() for name, value in found.items()}
        sums["loss"] = sums["loss"] / self._micro_batches
        return Ticket(sums, step_facts(batch, rate))

    def evaluate(self, batch: StepBatch) -> Ticket:
        """Sums without an update and without dropout."""
        sums: dict[str, Tensor] = {}
        parts = [by_sequence(micro) for micro in batch.micro_batches]
        size, slots = len(next(iter(parts[0].values()))), self.slots
        for first in range(0, len(parts), slots):
            found = self._infer(joined(parts[first : first + slots], size * slots), batch)
            for name, values in found.items():
                total = values.sum() if values.numel() == slots else values
                sums[name] = sums[name] + total if name in sums else total
        del sums["loss"]
        return Ticket(sums, {"tokens": batch.tokens, "sequences": batch.sequences})

    def predict(self, batch: StepBatch) -> dict[str, np.ndarray]:
        """Every row's outputs on the host; the pipeline shares each micro-batch."""
        found = [self._predict_micro_batch(micro) for micro in batch.micro_batches]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers of tickets; they are on the host already."""
        return read_tickets(tickets)

    def state(self) -> dict[str, Any]:
        """The optimizer's state under the engine's names, and the random generators'."""
        if self.optimizer is None or self._training_model is None:
            return {"optimizer": {}}
        state: dict[str, Any] = {"optimizer": saved_state(self.optimizer)}
        state["random"] = list(self._training_model.rng_state)
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave; it goes to the IPUs when the model is compiled."""
        if self.optimizer is None:
            raise ConfigError("there is no optimizer to load a state into")
        load_saved_state(self.optimizer, state["optimizer"])
        self._random = list(state.get("random", ()))

    def at_checkpoint(self, save: Callable[[], None]) -> None:
        """Fetch the weights from the IPUs, then call `save`."""
        self.attached.fetch_weights()
        save()

    @property
    def slots(self) -> int:
        """Micro-batches of one call that evaluates."""
        return inference_iterations(self.options, self.pipeline) * self.options.replicas

    @property
    def _micro_batches(self) -> int:
        """Micro-batches of a step over all processes, over which the engine takes the mean."""
        shape = self.plan.shape
        assert shape is not None
        return accumulation(self.options, shape) * self.options.replicas * shape.world

    def _compiled_step(self, batch: StepBatch) -> tuple[Any, dict[str, Tensor]]:
        """The compiled step, attached to the IPUs, and its inputs."""
        assert self.plan.shape is not None
        micro_batches = shared_scales(batch, self.process_group)
        parts = [by_sequence(self._scaled(micro)) for micro in micro_batches]
        most = self._micro_batches // self.plan.shape.world
        if len(parts) > most:
            raise DataError(
                f"a step has {len(parts)} micro-batches, the compiled program takes {most}",
                "lower ipu.packing_factor",
            )
        tensors = joined(parts, most * len(next(iter(parts[0].values()))))
        if self._training_model is None:
            scales = self._scaled(batch.micro_batches[0]).scales
            made = LossModule(self.model, self.task, list(tensors), scales, True)
            made.train()
            options = training_options(self.options, self.plan, self.pipeline, self.several)
            self._training_model = poptorch().trainingModel(made, options, self.optimizer)
        self.attached.attach(self._training_model, trains=True)
        if not self._training_model.isCompiled():
            self._training_model.compile(*tensors.values())
            if self._random and not self.options.compile_only:
                self._training_model.rng_state = self._random
        return self._training_model, tensors

    def _scaled(self, micro: MicroBatch) -> MicroBatch:
        """A micro-batch whose losses have the step's loss as their mean, not as their sum."""
        number = float(self._micro_batches)
        return multiplied(micro, number)

    def _predict_micro_batch(self, micro: MicroBatch) -> dict[str, np.ndarray]:
        rows = by_sequence(micro)
        count = len(next(iter(rows.values())))
        whole = -(-count // self.slots) * self.slots
        found = self._infer(joined([rows], whole), StepBatch([micro]))
        del found["loss"]
        return {
            name: values[: len(values) // whole * count].numpy() for name, values in found.items()
        }

    def _infer(self, tensors: dict[str, Tensor], batch: StepBatch) -> dict[str, Tensor]:
        executor = self._compiled_inference(tensors, batch)
        return self._outputs(executor, executor(*tensors.values()))

    def _compiled_inference(self, tensors: dict[str, Tensor], batch: StepBatch) -> Any:
        """The model that evaluates, attached to the IPUs; another shape is another program."""
        sequences = len(next(iter(tensors.values())))
        if self._inference_model is not None and self._sequences != sequences:
            self.attached.detach()
            self._inference_model.destroy()
            self._inference_model = None
        if self._inference_model is None:
            scales = batch.micro_batches[0].scales
            made = LossModule(self.model, self.task, list(tensors), scales, False)
            options = inference_options(self.options, self.plan, self.pipeline, self.several)
            self._inference_model = poptorch().inferenceModel(made, options)
            self._sequences = sequences
        self.attached.attach(self._inference_model, trains=False)
        self._inference_model.model.eval()
        return self._inference_model

    def _outputs(self, executor: Any, outputs: Any) -> dict[str, Tensor]:
        """Outputs of a call by name, of all its micro-batches or replicas."""
        found = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        names = executor.model.outputs
        return {
            name: torch.as_tensor(value).float() for name, value in zip(names, found, strict=True)
        }
