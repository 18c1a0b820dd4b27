"""Runs a training step in plain PyTorch, micro-batch by micro-batch, on CPUs and GPUs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from bertkit.backends.base import Caps, OptimizerSpec, Problem, Schedule, StepPlan, Task, Ticket
from bertkit.backends.process_group import ProcessGroup
from bertkit.backends.torch.fused.one_pass_update import OnePassUpdate
from bertkit.backends.torch.host_buffers import on_device, on_host
from bertkit.backends.torch.processes.distributed import reduce_gradients
from bertkit.backends.torch.processes.gradient_exchange import shared_norm
from bertkit.backends.torch.processes.lost_process import explain_lost_process
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.step_batch import MicroBatch, StepBatch, counted_together
from bertkit.errors import ConfigError
from bertkit.train.optimization.optimizers import (
    clip_gradients,
    gradient_norm,
    is_sharded,
    load_named_state,
    named_state,
    not_finite,
    reads_flags,
    scale_gradients,
    step_unless,
)

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
# NVIDIA's recipes start here: high enough for fp16, halved when gradients overflow.
FIRST_LOSS_SCALE = 2.0**20


def update_loss_scale(
    scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer, left_out: Tensor
) -> None:
    """Lower the loss scale after a step that was left out (1), or count the step (0).

    On its own the scaler looks at the gradients of this process before they are exchanged,
    and so may find overflows that the other processes do not find.
    """
    found = scaler._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
    for flag in found.values():
        flag.copy_(left_out)
    scaler.update()


def make_scaler(device: str, plan: StepPlan) -> torch.amp.GradScaler:
    """Loss scaling for fp16: dynamic, or by a constant where the plan names one.

    Either way a step whose gradients overflow is left out.
    """
    if plan.loss_scale:
        # GradScaler has no constant mode: factors of almost 1 and an endless interval make one.
        never = 2**31 - 1
        return torch.amp.GradScaler(
            device,
            plan.loss_scale,
            growth_factor=1.0 + 1e-12,
            backoff_factor=1.0 - 1e-12,
            growth_interval=never,
        )
    return torch.amp.GradScaler(device, init_scale=FIRST_LOSS_SCALE)


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of dropout in one step: a hash of all three, 63 bits.

    Because no generator state survives a step, a run resumed at any step draws what the
    uninterrupted run would have drawn, without saving generators.
    """
    words = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    return int(words[0]) >> 1


@dataclass
class TorchStepper:
    """Forward and backward per micro-batch, then one clipped update.

    A step whose loss or gradient is not finite, in any process, is left out by all of them:
    they decide by the norm of the gradients after the exchange, which a loss that is not
    finite makes NaN.

    Attributes:
        model: on `device`.
        task: gives the loss.
        plan: precision, clipping, seed.
        device: where tensors go.
        optimizer: None where only `evaluate` is used.
        schedule: the learning rate by updates done.
        process_group: the processes that train together.
        scaler: loss scaling for fp16.
        working: half precision copies of the weights to compute with; None: operators make
            their own where the precision is half, see `torch.autocast`.
        pins: batches and weights travel through pinned memory, which lets the copy overlap
            with computation; not every device knows it.
        owners: the process that alone has the gradient of a parameter after the exchange;
            None: all have all.
        one_pass: takes the place of the optimizer's own update, with the same bits.
    """

    model: nn.Module
    task: Task
    plan: StepPlan
    device: torch.device
    optimizer: torch.optim.Optimizer | None = None
    schedule: Schedule | None = None
    process_group: ProcessGroup = field(default_factory=ProcessGroup)
    scaler: torch.amp.GradScaler | None = None
    working: WorkingWeights | None = None
    pins: bool = True
    owners: Mapping[Tensor, int] | None = None
    one_pass: OnePassUpdate | None = None

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        optimizer, rate = self._begin_step(step)
        sums: dict[str, Tensor] = {}
        # Weights of the loss count the predictions of all processes.
        micro_batches = shared_scales(batch, self.process_group)
        if self.one_pass:
            self.one_pass.begin(len(micro_batches))
        with self._copies():
            for number, micro in enumerate(micro_batches):
                last = number == len(micro_batches) - 1
                if self.working:
                    # What several processes exchange, they hear of as PyTorch adds it.
                    self.working.adds = not last or self.process_group.topology.world == 1
                with self._exchange(number, last):
                    loss, parts = self._forward(micro)
                    # Sums stay on the device; `read` fetches them later.
                    _accumulate(sums, {"loss": loss.detach(), **parts})
                    self._backward(loss, sums["loss"] if last else None)
        scale = self.scaler._get_scale_async() if self.scaler else None
        if scale is not None:
            sums["loss_scale"] = scale.clone()
        sums["grad_norm"] = self._update(optimizer)
        return Ticket(sums, step_facts(batch, rate))

    def _begin_step(self, step: int) -> tuple[torch.optim.Optimizer, float]:
        """The optimizer, and the learning rate that it has been given."""
        if self.optimizer is None or self.schedule is None:
            raise RuntimeError("this stepper was built to evaluate")
        # Dropout depends on seed, step and rank alone, so that a resumed run draws the same.
        torch.manual_seed(step_seed(self.plan.seed, step, self.process_group.topology.rank))
        if not self.model.training:  # it goes through all modules
            self.model.train()
        # The rate is set by hand: schedules are functions of the step, without state.
        rate = self.schedule(step)
        self._set_rate(self.optimizer, rate)
        return self.optimizer, rate

    def _set_rate(self, optimizer: torch.optim.Optimizer, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate

    def evaluate(self, batch: StepBatch) -> Ticket:
        """Sums without an update and without dropout."""
        self.model.eval()
        sums: dict[str, Tensor] = {}
        with torch.no_grad(), self._copies():
            for micro in batch.micro_batches:
                _accumulate(sums, self._forward(micro)[1])
        return Ticket(sums, {"tokens": batch.tokens, "sequences": batch.sequences})

    def predict(self, batch: StepBatch) -> dict[str, np.ndarray]:
        """Every row's outputs on the host."""
        self.model.eval()
        with torch.no_grad(), self._copies():
            found = [self._forward(micro)[1] for micro in batch.micro_batches]
        return {
            name: torch.cat([part[name] for part in found]).float().cpu().numpy()
            for name in found[0]
        }

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers of tickets; waits for the device once."""
        return read_tickets(tickets)

    def state(self) -> dict[str, Any]:
        """Optimizer moments by parameter name, and the loss scale.

        The main process gets the moments, the others, which write nothing, get none.
        """
        moments = {}
        shared = self.optimizer is not None and is_sharded(self.optimizer)
        if self.optimizer and (shared or self.process_group.topology.is_main):
            moments = named_state(self.optimizer, partial(on_host, pin=self.pins))
        if shared:
            # All processes must call this, although only the main one writes.
            moments = self.process_group.collect_union(moments)
        return {"optimizer": moments, "scaler": self.scaler.state_dict() if self.scaler else {}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self.optimizer is None:
            raise ConfigError("there is no optimizer to load a state into")
        load_named_state(self.optimizer, state["optimizer"])
        if self.scaler and state.get("scaler"):
            self.scaler.load_state_dict(dict(state["scaler"]))

    def at_checkpoint(self, save: Callable[[], None]) -> None:
        """Weights can be read at any time: call `save` now."""
        save()

    @contextlib.contextmanager
    def _exchange(self, number: int, last: bool) -> Iterator[None]:
        """Gradients go to the other processes with the last micro-batch of a step only."""
        if self.process_group.topology.world == 1:
            yield
            return
        # With clip "before", `_update` averages the gradients itself, after clipping.
        wait = not last or self.plan.clip == "before"
        quiet = self.model.no_sync() if wait else contextlib.nullcontext()  # type: ignore[operator]
        with explain_lost_process(), quiet:
            yield

    def _copies(self) -> contextlib.AbstractContextManager[None]:
        if self.working is None:
            return contextlib.nullcontext()
        # Where nothing updates weights they are made once; `one_pass` makes them as it updates.
        keeps = self.one_pass is not None or self.optimizer is None
        if keeps:  # weights may have been loaded since
            self.working.bring_up_to_date()
        return self.working.applied(kept=keeps)

    def _forward(self, micro: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        return self._losses(on_device(micro, self.device, self.pins), micro)

    def _losses(
        self, tensors: Mapping[str, Tensor], micro: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        # Working copies are half precision already and need no autocast.
        half = HALF.get(self.plan.precision) if self.working is None else None
        with torch.autocast(self.device.type, half) if half else contextlib.nullcontext():
            return self.task.losses(self.model, tensors, micro)

    def _backward(self, loss: Tensor, total: Tensor | None) -> None:
        """Gradients of a micro-batch's loss.

        Args:
            loss: with its graph.
            total: loss of the step so far; where it is not finite, all gradients become NaN.
        """
        # Gradients are averaged over processes; the parts of the loss add up.
        world = self.process_group.topology.world
        whole = loss * world if world > 1 else loss
        # 1, or NaN: so the other processes hear of it by the exchange of gradients.
        start = None if total is None else 1.0 + (total - total)
        torch.autograd.backward(self.scaler.scale(whole) if self.scaler else whole, start)

    def _update(self, optimizer: torch.optim.Optimizer) -> Tensor:
        """One update, or none where the gradients are not finite; returns their norm."""
        if self.one_pass:
            norm = self.one_pass.run(self.plan.max_grad_norm)
            self._forget_gradients(optimizer)
            return norm
        # Clipping needs unscaled gradients.
        if self.scaler:
            self.scaler.unscale_(optimizer)
        parameters = self._parameters(optimizer)
        most, divisor = self.plan.max_grad_norm, None
        if self.plan.clip == "before" and self.process_group.topology.world > 1:
            norm = clip_gradients(parameters, most)
            # From here on the norm is the same number in every process: the mean.
            norm = reduce_gradients(parameters, self.process_group.topology.world, norm)
        elif most > 0 and reads_flags(optimizer, parameters[0].device):
            norm = self._norm(parameters)
            divisor = norm.clamp(min=most) / most
        else:
            norm = self._norm(parameters)
            scale_gradients(self._own_gradients(parameters), norm, most)
        left_out = not_finite(norm)
        step_unless(left_out, optimizer, divisor)
        if self.scaler:
            update_loss_scale(self.scaler, optimizer, left_out)
        self._forget_gradients(optimizer)
        return norm

    @staticmethod
    def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
        return [item for group in optimizer.param_groups for item in group["params"]]

    def _forget_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)

    def _norm(self, parameters: Sequence[Tensor]) -> Tensor:
        """The global norm of the gradients, whichever process has them."""
        if self.owners is None:
            return gradient_norm(parameters)
        present = [item for item in parameters if item.grad is not None]
        gradients = [cast(Tensor, item.grad) for item in present]
        return shared_norm(gradients, [self._owned(item) for item in present])

    def _own_gradients(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """The gradients that this process has."""
        return [item.grad for item in parameters if item.grad is not None and self._owned(item)]

    def _owned(self, parameter: Tensor) -> bool:
        return self.owners is None or (self.owners[parameter] == self.process_group.topology.rank)


def shared_scales(batch: StepBatch, process_group: ProcessGroup) -> list[MicroBatch]:
    """The micro-batches of a step, with weights that count the cases of all processes.

    A trainer has asked the other processes already, together with what else it asks them.
    """
    if not batch.counts or process_group.topology.world == 1:
        return batch.micro_batches
    sums = process_group.sum(list(batch.counts.values()))
    named = dict(zip(batch.counts, sums, strict=True))
    return counted_together(batch, named).micro_batches


def step_facts(batch: StepBatch, rate: float) -> dict[str, float]:
    """What the host knows of a step: its rate, tokens, sequences and pairs of tokens."""
    return {
        "learning_rate": rate,
        "tokens": batch.tokens,
        "sequences": batch.sequences,
        "token_pairs": sum(float((part.lengths**2).sum()) for part in batch.micro_batches),
    }


def read_tickets(tickets: Sequence[Ticket]) -> list[dict[str, float]]:
    """The numbers of tickets; waits once for the device that holds them."""
    numbers = iter(_numbers([value for ticket in tickets for value in ticket.sums.values()]))
    return [{**{name: next(numbers) for name in ticket.sums}, **ticket.facts} for ticket in tickets]


def _numbers(values: Sequence[Tensor]) -> list[float]:
    """Tensors of one element as numbers; all of one type come from their device by one copy."""
    places: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault((value.device, value.dtype), []).append(place)
    numbers = [0.0] * len(values)
    for alike in places.values():
        together = torch.stack([values[place].detach().reshape(()) for place in alike]).tolist()
        for place, number in zip(alike, together, strict=True):
            numbers[place] = float(number)
    return numbers


def _accumulate(sums: dict[str, Tensor], parts: Mapping[str, Tensor]) -> None:
    for name, value in parts.items():
        sums[name] = sums[name] + value if name in sums else value


def plain_weights(model: nn.Module, pin: bool = False) -> dict[str, Tensor]:
    """Weights as CPU tensors under plain names, without what wrappers put in front.

    Args:
        model: on any device.
        pin: those of a device come through pinned memory.
    """
    weights = model.state_dict()
    names = (name.removeprefix("module.").removeprefix("_orig_mod.") for name in weights)
    return dict(zip(names, on_host(list(weights.values()), pin), strict=True))


def setting_problems(caps: Caps, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
    """Settings outside what a machine can do, each with what would do."""
    checks = (
        ("--precision", plan.precision, caps.precisions),
        ("--layout", plan.layout, caps.layouts),
        ("--optimizer", optimizer.name, sorted(caps.optimizers)),
    )
    gpu = ", or plan for a GPU: --backend cuda" if caps.name == "cpu" else ""
    found = [
        Problem(
            flag, f"{flag} {value} does not work on {caps.name}; use {' or '.join(allowed)}{gpu}"
        )
        for flag, value, allowed in checks
        if value not in allowed
    ]
    switches = (
        ("--shard-optimizer", optimizer.shard, caps.shards_optimizer),
        ("--recompute", plan.recompute, caps.recomputes),
        ("--profile-steps", plan.profile, caps.profiles),
        ("--on-nonfinite skip", plan.skip_nonfinite, caps.skips_nonfinite),
    )
    return found + [
        Problem(flag, f"{flag} does not work on {caps.name}; leave it out")
        for flag, wanted, possible in switches
        if wanted and not possible
    ]
