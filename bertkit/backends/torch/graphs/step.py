"""A training step whose forward, backward and update are recorded and started anew.

Small models wait for the host, which starts some hundred kernels for a step; recorded, it
starts them by two calls. What changes from step to step lies at fixed places on the device:
the arrays of a micro-batch, the copies of the weights, the gradients, the rate. Dropout
draws anew in every step, from the generator that `torch.manual_seed` sets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bertkit import log
from bertkit.backends.base import Ticket
from bertkit.backends.torch.graphs.recorder import Recorder, Recordings
from bertkit.backends.torch.host_buffers import DeviceInputs
from bertkit.backends.torch.processes.distributed import reduce_gradients
from bertkit.backends.torch.step import TorchStepper, shared_scales, step_facts
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.train.optimization.optimizers import reads_flags

# Sizes of passes that have places on the device; of a task that does not fill its passes there
# would be ever more.
_MOST_SHAPES = 256


@dataclass(frozen=True)
class _Shape:
    """Micro-batches of one shape.

    Attributes:
        inputs: where their arrays go.
        micro: one of them; only what it says of the shape is used.
    """

    inputs: DeviceInputs
    micro: MicroBatch


@dataclass
class GraphedStepper(TorchStepper):
    """Steps from recordings; evaluation is that of `TorchStepper`.

    Tasks whose losses depend on the tensors of a batch alone, and optimizers that read a
    rate on the device. Processes exchange their gradients between two recordings, all at
    once, and so the model is not wrapped.

    Attributes:
        recorder: of the device.
    """

    recorder: Recorder = field(kw_only=True)

    def __post_init__(self) -> None:
        self._recordings = Recordings(self.recorder)
        self._shapes: dict[Hashable, _Shape] = {}
        self._names: list[str] = []
        # Of the step so far: the loss and the sums to report; then the norm of the gradients.
        self._sums = torch.zeros(0, device=self.device)
        self._norm_of_step = torch.zeros(1, device=self.device)
        self._rate = torch.zeros((), device=self.device)
        self._records_update = self._told = False
        if self.optimizer is None:
            return
        # An update in which processes talk, or that reads a number on the host, stays as it is.
        talks = self.process_group.topology.world > 1 and self.plan.clip == "before"
        self._records_update = reads_flags(self.optimizer, self.device) and not talks
        if self._records_update:
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate
                if "capturable" in group:
                    group["capturable"] = True

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        optimizer, rate = self._begin_step(step)
        if self.one_pass and self.working:
            self.working.bring_up_to_date()
        for number, micro in enumerate(shared_scales(batch, self.process_group)):
            self._do_pass(optimizer, micro, first=number == 0)
        world = self.process_group.topology.world
        if world > 1 and self.plan.clip != "before":
            reduce_gradients(self._parameters(optimizer), world)
        update = partial(self._record_norm, optimizer)
        if self._records_update:
            self._recordings.run("update", update)
        else:
            update()
        # The next step writes over both: a ticket has numbers of its own.
        numbers = torch.cat((self._sums, self._norm_of_step)).unbind()
        sums = dict(zip([*self._names, "grad_norm"], numbers, strict=True))
        return Ticket(sums, step_facts(batch, rate))

    def load_state(self, state: Any) -> None:
        """Take over what `state` gave."""
        super().load_state(state)
        # Moments lie elsewhere now.
        self._recordings.forget()

    def _set_rate(self, optimizer: torch.optim.Optimizer, rate: float) -> None:
        if self._records_update:
            self._rate.fill_(rate)
        else:
            super()._set_rate(optimizer, rate)

    def _do_pass(self, optimizer: torch.optim.Optimizer, micro: MicroBatch, first: bool) -> None:
        """A micro-batch, from its recording where there is one."""
        key = _key(micro)
        shape = self._shapes.get(key)
        kept = shape is not None or len(self._shapes) < _MOST_SHAPES
        if shape is None:
            shape = _Shape(DeviceInputs(micro, self.device, self.pins), micro)
            if kept:
                self._shapes[key] = shape
        shape.inputs.load(micro)
        work = partial(self._pass, optimizer, shape, first)
        if kept:
            self._recordings.run((first, key), work)
            return
        if not self._told:
            self._told = True
            log.logger.warning(
                "passes come in more than %d sizes; others are not recorded: give fewer"
                " cuda.totals, or cuda.graphs=false where the task does not fill its passes",
                _MOST_SHAPES,
            )
        self.recorder.run(work)

    def _pass(self, optimizer: torch.optim.Optimizer, shape: _Shape, first: bool) -> None:
        """Forward and backward; gradients of the first pass replace those of the step before."""
        working = self.working
        if first:
            self._begin_pass(optimizer)
        if working:
            working.replaces, working.adds = first, not first
        copies = working.applied(kept=True) if working else contextlib.nullcontext()
        with copies:
            loss, parts = self._losses(shape.inputs.tensors, shape.micro)
            self._add({"loss": loss.detach(), **parts}, first)
            self._backward(loss, self._sums[0])

    def _begin_pass(self, optimizer: torch.optim.Optimizer) -> None:
        """Copies of the weights of now; no gradients where they are added one by one."""
        replaced = set()
        if self.working:
            if not self.one_pass:  # whose update has made them
                self.working.refresh()
            replaced = self.working.parameters
        others = [item.grad for item in self._parameters(optimizer) if item not in replaced]
        present = [gradient for gradient in others if gradient is not None]
        if present:
            torch._foreach_zero_(present)

    def _add(self, parts: dict[str, Tensor], first: bool) -> None:
        numbers = torch.stack([value.float() for value in parts.values()])
        if not self._names:
            self._names, self._sums = list(parts), torch.zeros_like(numbers)
        if first:
            self._sums.copy_(numbers)
        else:
            self._sums.add_(numbers)

    def _record_norm(self, optimizer: torch.optim.Optimizer) -> None:
        self._norm_of_step.copy_(self._update(optimizer).reshape(1))

    def _forget_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """They stay at their places: `_pass` writes over them."""


def _key(micro: MicroBatch) -> Hashable:
    """What decides which kernels a micro-batch needs."""
    arrays = tuple((name, values.shape, values.dtype.str) for name, values in micro.arrays.items())
    if "cumulative" not in micro.arrays:  # rows of one length; a mask says what is real
        return arrays
    spans = micro.lengths if micro.spans is None else micro.spans
    # Kernels are told a bound of the lengths by the host.
    return arrays, len(spans), micro.longest or int(spans.max(initial=0))
