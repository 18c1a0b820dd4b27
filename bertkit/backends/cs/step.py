"""Defines the training step of Cerebras systems: traced once, then repeated by the engine.

What the traced function does in Python happens once. It therefore reads nothing, decides
nothing by numbers, and takes everything that changes from the batch or from tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bertkit import log
from bertkit.backends.base import CompiledOnly, Schedule, StepPlan, Task, Ticket
from bertkit.backends.cs.features import LOCAL, NAMES
from bertkit.backends.cs.schedule import EngineSchedule
from bertkit.backends.cs.session import CsBatch, Session
from bertkit.backends.cs.state import Snapshots
from bertkit.backends.torch.step import step_seed
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.errors import ConfigError
from bertkit.train.optimization.optimizers import load_named_state

# Where shapes are constant, tasks take nothing from the host's side of a batch.
_NO_HOST = MicroBatch({}, np.zeros(0, np.int64))


def tensors(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Features of Cerebras' form as tasks want them; part of the traced step.

    Numbers of rows stay [N, ...], counted within their row.
    """
    segments = features["segment_ids"]
    found = {}
    for name, theirs in NAMES.items():
        if theirs in features and name != "segments":
            values = features[theirs]
            values = values if theirs in LOCAL else values.reshape(-1)
            found[name] = values if values.is_floating_point() else values.long()
    if "input_mask" in features:
        padding = features["input_mask"]
        found["mask"] = padding == 0
        segments = segments * (1 - padding)
    else:
        found["sequence_numbers"] = features["sequence_numbers"]
    return {**found, "segments": segments.reshape(-1).long()}


def clip_gradients(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """The rule of `train.optimization.optimizers.clip_gradients`, in operations of every engine.

    Returns:
        The norm before, 0-dim.
    """
    gradients = [item.grad for item in parameters if item.grad is not None]
    norm = torch.stack([(item.float() ** 2).sum() for item in gradients]).sum().sqrt()
    if max_norm > 0:
        factor = max_norm / norm.clamp(min=max_norm)
        for item in gradients:
            item.mul_(factor)
    return norm


class CsStepper:
    """Steps of one model.

    Args:
        cstorch: the package.
        backend: its backend.
        model: placed.
        forward: the compiled model.
        task: gives the loss.
        plan: precision, clipping, seed, checkpoints.
        snapshots: where the state goes at a checkpoint.
        optimizer: one of the engine's; None where only `evaluate` is used.
        schedule: the learning rate by updates done.
        rates: the engine's own form of that schedule.
        scaler: the engine's loss scaling, where half precision needs it.
    """

    def __init__(
        self,
        cstorch: Any,
        backend: Any,
        *,
        model: nn.Module,
        forward: Any,
        task: Task,
        plan: StepPlan,
        snapshots: Snapshots,
        optimizer: Any = None,
        schedule: Schedule | None = None,
        rates: EngineSchedule | None = None,
        scaler: Any = None,
    ) -> None:
        self.cstorch = cstorch
        self.backend = backend
        self.model = model
        self.forward = forward
        self.task = task
        self.plan = plan
        self.snapshots = snapshots
        self.optimizer = optimizer
        self.schedule = schedule
        self.rates = rates
        self.scaler = scaler
        self._fetched: list[dict[str, Tensor]] = []
        self._train = cstorch.trace(self._train_body)
        self._evaluate = cstorch.trace(self._evaluate_body)
        self._predict = cstorch.trace(self._predict_body)
        self._fetch_numbers = cstorch.step_closure(self._store_numbers)
        self._save_weights = cstorch.checkpoint_closure(self._save_snapshot)

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; see `bertkit.backends.base.Stepper`."""
        if self.optimizer is None or self.schedule is None or self.rates is None:
            raise RuntimeError("this stepper was built to evaluate")
        session, facts = _session_of(batch)
        if not session.begun:
            self.rates.set_step(step, self.backend.is_csx)
            torch.manual_seed(step_seed(self.plan.seed, step, 0))
            session.begin(self.plan.save_every, step)
        elif not self.backend.is_csx:  # a system draws its own numbers from the first seed
            torch.manual_seed(step_seed(self.plan.seed, step, 0))
        self.model.train()
        numbers = self._run(session, self._train, step + 1)
        self.snapshots.step = step + 1
        scale = {"loss_scale": self.plan.loss_scale} if self.scaler else {}
        return Ticket(numbers, {"learning_rate": self.schedule(step), **scale, **facts})

    def evaluate(self, batch: StepBatch) -> Ticket:
        """Sums without an update and without dropout."""
        found, facts = self._without_update(batch, self._evaluate)
        return Ticket(found, facts)

    def predict(self, batch: StepBatch) -> dict[str, np.ndarray]:
        """Every row's outputs, fetched by a step closure."""
        found, _ = self._without_update(batch, self._predict)
        return {name: value.reshape(-1).float().numpy() for name, value in found.items()}

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers, which a step closure has already fetched."""
        return [
            {**{name: float(value) for name, value in ticket.sums.items()}, **ticket.facts}
            for ticket in tickets
        ]

    def state(self) -> dict[str, Any]:
        """The optimizer's state by parameter name, and the loss scale."""
        if self.optimizer is None:
            return {"optimizer": {}, "scaler": {}}
        return {
            "optimizer": self.snapshots.optimizer_state(self.optimizer),
            "scaler": self.snapshots.scaler_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self.optimizer is None:
            raise ConfigError("there is no optimizer to load a state into")
        with self.backend.device:
            load_named_state(self.optimizer, state["optimizer"])
        if self.scaler and state.get("scaler"):
            self.scaler.load_state_dict(dict(state["scaler"]))

    def at_checkpoint(self, save: Callable[[], None]) -> None:
        """Call `save` if the weights could leave the system after the last step."""
        if self.snapshots.readable:
            save()
            return
        log.logger.warning(
            "nothing saved at step %d: weights leave the system only at the steps of"
            " --save-every %d and at the end",
            self.snapshots.step,
            self.plan.save_every,
        )

    def _without_update(
        self, batch: StepBatch, body: Any
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """(the numbers, what the host knows) of a step without an update and without dropout."""
        session, facts = _session_of(batch)
        self.model.eval()
        if not session.begun:
            session.begin()
        return self._run(session, body), facts

    def _run(self, session: Session, body: Any, keep: int = 0) -> dict[str, Tensor]:
        """One step of the engine; its numbers."""
        found = body(session.batch)
        self._fetch_numbers(found)
        if keep:
            self._save_weights(keep)
        session.advance()
        if not self.backend.is_e2e_execution:
            raise CompiledOnly("the compiler takes the step, see the folder cs.artifacts")
        return self._fetched.pop()

    def _store_numbers(self, numbers: Mapping[str, Tensor]) -> None:
        self._fetched.append({name: value.detach().cpu() for name, value in numbers.items()})

    def _save_snapshot(self, step: int) -> None:
        self.snapshots.save(step, self.model, self.optimizer, self.scaler)

    def _train_body(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        loss, sums = self._losses(features)
        if self.scaler:
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
        else:
            torch.autograd.backward(loss)
        groups = self.optimizer.param_groups
        parameters = [item for group in groups for item in group["params"]]
        norm = clip_gradients(parameters, self.plan.max_grad_norm)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        assert self.rates is not None
        self.rates.scheduler.step()
        self.optimizer.zero_grad()
        return {"loss": loss.detach(), "grad_norm": norm, **sums, "tokens": _tokens(features)}

    def _evaluate_body(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.no_grad():
            _, sums = self._losses(features)
        return {**sums, "tokens": _tokens(features)}

    def _predict_body(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """[N, ...] of every output, so that the compiler can cut them as it cuts the batch."""
        with torch.no_grad():
            _, found = self._losses(features)
        rows = len(features["input_ids"])
        return {name: value.reshape(rows, -1) for name, value in found.items()}

    def _losses(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        with self._half():
            return self.task.losses(self.forward, tensors(features), _NO_HOST)

    def _half(self) -> AbstractContextManager[Any]:
        """Half precision on this machine's processor; a system has it built in."""
        if self.plan.precision == "fp32" or self.backend.is_csx:
            return nullcontext()
        context: AbstractContextManager[Any] = self.cstorch.amp.autocast()
        return context


def _tokens(features: Mapping[str, Tensor]) -> Tensor:
    """Real tokens of a batch."""
    if "input_mask" in features:
        return (features["input_mask"] == 0).float().sum()
    return (features["sequence_numbers"] > 0).float().sum()


def _session_of(batch: StepBatch) -> tuple[Session, dict[str, float]]:
    if not isinstance(batch, CsBatch) or batch.session is None:
        raise TypeError("cs takes batches from its own loader")
    return batch.session, dict(batch.facts)
