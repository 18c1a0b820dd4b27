"""Runs a training step on Gaudi: micro-batches, gradient averaging and the update."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bertkit.backends.base import Ticket
from bertkit.backends.hpu.optimizers import (
    clips_itself,
    decay_weights,
    fused_state,
    global_norm,
    load_fused_state,
)
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.torch.processes.distributed import reduce_gradients
from bertkit.backends.torch.processes.lost_process import explain_lost_process
from bertkit.backends.torch.step import TorchStepper
from bertkit.data.step_batch import MicroBatch, StepBatch, multiplied
from bertkit.errors import ConfigError
from bertkit.train.optimization.optimizers import is_sharded

# Fact of a ticket: by what its loss was multiplied.
_LOSS_FACTOR = "loss_factor"


class Engine:
    """The vendor's functions around a step.

    Args:
        mode: lazy, eager or compile; the environment has been set for it.
    """

    def __init__(self, mode: str) -> None:
        self._core: Any = importlib.import_module("habana_frameworks.torch.core")
        self._hpu: Any = importlib.import_module("habana_frameworks.torch.hpu")
        self.lazy = mode == "lazy"
        if self.lazy:
            # Shapes never change here, so that the compiler need not look for it.
            self._hpu.disable_dynamic_shape()

    def mark(self) -> None:
        """End the graph that lazy mode has collected, and run it."""
        if self.lazy:
            self._core.mark_step()

    def finish(self) -> None:
        """Run what was collected, and wait for it."""
        self.mark()
        self._hpu.synchronize()


@dataclass
class HpuStepper(TorchStepper):
    """Forward and backward per micro-batch, one exchange of gradients, one fused update.

    The graph is cut after every backward pass and after the update. The loss's factors
    come with the batch, so that the gradients of micro-batches and processes add up to
    those of the step.

    Attributes:
        model: a task's loss as a module, from `graphs.for_training`; for evaluation
            alone the same as `inference`.
        inference: the same for passes without gradients, from `graphs.for_inference`.
        engine: the vendor's functions.
        options: of the backend.
    """

    inference: nn.Module = field(default_factory=nn.Identity)
    engine: Engine = field(kw_only=True)
    options: HpuOptions = field(default_factory=HpuOptions, kw_only=True)

    def __post_init__(self) -> None:
        world = self.process_group.topology.world
        # DistributedDataParallel divides by the number of processes; the flat exchange adds.
        self._averages = world > 1 and not self.options.flat_all_reduce
        self._clipper: Any = None
        if self.optimizer is None:
            return
        limit = self.plan.max_grad_norm
        if not clips_itself(self.optimizer, limit) and limit:
            vendor: Any = importlib.import_module("habana_frameworks.torch.hpex.normalization")
            self._clipper = vendor.FusedClipNorm(self._parameters(self.optimizer), limit)

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        if self._averages:
            world = float(self.process_group.topology.world)
            parts = [multiplied(micro, world) for micro in batch.micro_batches]
            batch = replace(batch, micro_batches=parts)
        ticket = super().train(batch, step)
        if self._averages:
            return Ticket(ticket.sums, {**ticket.facts, _LOSS_FACTOR: world})
        return ticket

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers of tickets; waits for the device once."""
        found = super().read(tickets)
        for numbers in found:
            if _LOSS_FACTOR in numbers:
                numbers["loss"] /= numbers.pop(_LOSS_FACTOR)
        return found

    def state(self) -> dict[str, Any]:
        """Optimizer moments by parameter name, in the form of every other backend.

        Where processes share the moments, the main one gets all of them.
        """
        moments = fused_state(self.optimizer) if self.optimizer else {}
        if self.optimizer and is_sharded(self.optimizer):
            moments = self.process_group.collect_union(moments)
        return {"optimizer": moments, "scaler": {}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self.optimizer is None:
            raise ConfigError("there is no optimizer to load a state into")
        load_fused_state(self.optimizer, state["optimizer"])
        self.engine.mark()

    @contextlib.contextmanager
    def _exchange(self, number: int, last: bool) -> Iterator[None]:
        """Around one micro-batch: its number for graphs, its gradients for the others."""
        if self.options.graphs:
            # The first of a step makes gradients, the others add to them: two graphs.
            inner: Any = self.model.module if self._averages else self.model
            inner.set_iteration_count(number)
        if self._averages:
            model: Any = self.model
            with explain_lost_process(), contextlib.nullcontext() if last else model.no_sync():
                yield
        else:
            yield
        self.engine.mark()

    def _forward(self, micro: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        training = torch.is_grad_enabled()
        tensors = {name: self._to_device(values) for name, values in micro.arrays.items()}
        with torch.autocast("hpu", torch.bfloat16, enabled=self.plan.precision == "bf16"):
            loss, parts = (self.model if training else self.inference)(tensors)
        if self.options.graphs:
            # A graph's outputs are overwritten when it runs again.
            loss, parts = loss.clone(), {name: value.clone() for name, value in parts.items()}
        if not training:
            self.engine.mark()
        return loss, parts

    def _backward(self, loss: Tensor, total: Tensor | None) -> None:
        torch.autograd.backward(loss)

    def _to_device(self, values: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.to(self.device, non_blocking=True)

    def _update(self, optimizer: torch.optim.Optimizer) -> Tensor:
        parameters = self._parameters(optimizer)
        if self.process_group.topology.world > 1 and not self._averages:
            reduce_gradients(parameters)
        norm: Tensor
        if self._clipper is not None:
            norm = self._clipper.clip_norm(parameters).reshape(())
        else:
            norm = global_norm(parameters)
        decay_weights(optimizer)
        optimizer.step()
        # Without an argument: FusedLamb's takes none.
        optimizer.zero_grad()
        self.engine.mark()
        return norm
