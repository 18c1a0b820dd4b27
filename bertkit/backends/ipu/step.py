"""Steps on IPUs: one call computes all micro-batches of a step and the update."""

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
from bertkit.backends.ipu.model import EnginePass, by_sequence, joined
from bertkit.backends.ipu.optimizers import load_saved_state, saved_state
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import Pipeline
from bertkit.backends.ipu.rules import accumulation
from bertkit.backends.process_group import Peers
from bertkit.backends.torch.step import read_tickets, shared_scales, step_facts
from bertkit.data.step_batch import MicroBatch, StepBatch, multiplied
from bertkit.errors import ConfigError, DataError


class Machine:
    """Who holds the IPUs: one compiled model at a time."""

    def __init__(self) -> None:
        self._holder: Any = None
        self._trains = False

    def take(self, executor: Any, trains: bool) -> None:
        """Give the IPUs to a model; weights that another one trained go to the host first."""
        if self._holder is executor:
            return
        self.release()
        if executor.isCompiled():
            executor.attachToDevice()  # uploads the host's weights
        self._holder, self._trains = executor, trains

    def fetch_weights(self) -> None:
        """Bring the host's weights up to date with the IPUs'."""
        if self._trains and self._holder.isAttachedToDevice():
            self._holder.copyWeightsToHost()

    def release(self) -> None:
        """Leave the IPUs free."""
        self.fetch_weights()
        if self._holder is not None and self._holder.isAttachedToDevice():
            self._holder.detachFromDevice()
        self._holder, self._trains = None, False


@dataclass
class IpuStepper:
    """Whole steps on IPUs.

    Attributes:
        model: on the host; its weights are those of the IPUs after `Machine.fetch_weights`.
        task: gives the loss.
        plan: of the step.
        options: the machine's settings.
        pipeline: of the model.
        machine: who holds the IPUs.
        peers: the processes that train together.
        several: poprun started several processes.
        optimizer: the engine's; None where nothing is trained.
        schedule: the learning rate by updates done.
    """

    model: nn.Module
    task: Task
    plan: StepPlan
    options: IpuOptions
    pipeline: Pipeline
    machine: Machine
    peers: Peers
    several: bool = False
    optimizer: Any = None
    schedule: Schedule | None = None
    _trainer: Any = None
    _answerer: Any = None
    _sequences: int = 0
    _random: list[int] = field(default_factory=list)

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        if self.schedule is None:
            raise RuntimeError("this stepper was built to evaluate")
        rate = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        executor, tensors = self._training(batch)
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
        """Every row's outputs on the host; each micro-batch is dealt to the whole pipeline."""
        found = [self._answers(micro) for micro in batch.micro_batches]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers of tickets; they are on the host already."""
        return read_tickets(tickets)

    def state(self) -> dict[str, Any]:
        """The optimizer's state under the engine's names, and the random generators'."""
        if self.optimizer is None or self._trainer is None:
            return {"optimizer": {}}
        state: dict[str, Any] = {"optimizer": saved_state(self.optimizer)}
        state["random"] = list(self._trainer.rng_state)
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave; it goes to the IPUs when the model is compiled."""
        if self.optimizer is None:
            raise ConfigError("there is no optimizer to load a state into")
        load_saved_state(self.optimizer, state["optimizer"])
        self._random = list(state.get("random", ()))

    def at_checkpoint(self, save: Callable[[], None]) -> None:
        """Fetch the weights from the IPUs, then call `save`."""
        self.machine.fetch_weights()
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

    def _training(self, batch: StepBatch) -> tuple[Any, dict[str, Tensor]]:
        """The compiled step, holding the IPUs, and its inputs."""
        assert self.plan.shape is not None
        parts = [by_sequence(self._weighed(micro)) for micro in shared_scales(batch, self.peers)]
        most = self._micro_batches // self.plan.shape.world
        if len(parts) > most:
            raise DataError(
                f"a step has {len(parts)} micro-batches, the compiled program takes {most}",
                "lower ipu.packing_factor",
            )
        tensors = joined(parts, most * len(next(iter(parts[0].values()))))
        if self._trainer is None:
            scales = self._weighed(batch.micro_batches[0]).scales
            made = EnginePass(self.model, self.task, list(tensors), scales, True)
            made.train()
            options = training_options(self.options, self.plan, self.pipeline, self.several)
            self._trainer = poptorch().trainingModel(made, options, self.optimizer)
        self.machine.take(self._trainer, trains=True)
        if not self._trainer.isCompiled():
            self._trainer.compile(*tensors.values())
            if self._random and not self.options.compile_only:
                self._trainer.rng_state = self._random
        return self._trainer, tensors

    def _weighed(self, micro: MicroBatch) -> MicroBatch:
        """Losses that add up to the step's, made such that their mean is the step's."""
        number = float(self._micro_batches)
        return multiplied(micro, number)

    def _answers(self, micro: MicroBatch) -> dict[str, np.ndarray]:
        rows = by_sequence(micro)
        count = len(next(iter(rows.values())))
        whole = -(-count // self.slots) * self.slots
        found = self._infer(joined([rows], whole), StepBatch([micro]))
        del found["loss"]
        return {
            name: values[: len(values) // whole * count].numpy() for name, values in found.items()
        }

    def _infer(self, tensors: dict[str, Tensor], batch: StepBatch) -> dict[str, Tensor]:
        executor = self._answering(tensors, batch)
        return self._outputs(executor, executor(*tensors.values()))

    def _answering(self, tensors: dict[str, Tensor], batch: StepBatch) -> Any:
        """The model that evaluates, holding the IPUs; another shape is another program."""
        sequences = len(next(iter(tensors.values())))
        if self._answerer is not None and self._sequences != sequences:
            self.machine.release()
            self._answerer.destroy()
            self._answerer = None
        if self._answerer is None:
            scales = batch.micro_batches[0].scales
            made = EnginePass(self.model, self.task, list(tensors), scales, False)
            options = inference_options(self.options, self.plan, self.pipeline, self.several)
            self._answerer = poptorch().inferenceModel(made, options)
            self._sequences = sequences
        self.machine.take(self._answerer, trains=False)
        self._answerer.model.eval()
        return self._answerer

    def _outputs(self, executor: Any, outputs: Any) -> dict[str, Tensor]:
        """Outputs of a call by name, of all its micro-batches or replicas."""
        found = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        names = executor.model.outputs
        return {
            name: torch.as_tensor(value).float() for name, value in zip(names, found, strict=True)
        }
