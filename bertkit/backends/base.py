"""Defines the adapter protocol: what the trainer needs from a backend.

The unit is one optimizer step on a whole `StepBatch`. The loop owns the order, the
signals, the checkpoints and the metrics; an adapter owns what a step is on its machine,
so that engines which compile or fuse the step fit behind the same call. What a model
learns is passed in as a `Task`, so that pretraining and fine-tuning share adapters.

Metrics stay where they were computed, as tickets, until `Stepper.read`: reading a
number makes an accelerator wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bertkit.backends.adapter_context import AdapterContext
from bertkit.backends.process_group import PROCESS_TIMEOUT, ProcessGroup, Topology
from bertkit.data.step_batch import MicroBatch, StepBatch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bertkit.model.config import BertConfig

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Caps:
    """What an adapter's machine can do.

    Attributes:
        name: as given to `--backend`.
        fixed_shapes: a new tensor shape costs a compilation or is an error.
        step_owner: `loop` (Python runs every micro-batch) or `device`.
        scalar_reads: `free`, `log_step` (reading a number stalls the machine) or `closure`
            (numbers exist only in functions that the engine calls back).
        layouts: batch layouts it takes, the best first.
        precisions: number formats it computes in, the best first.
        loss_scaling: `none`, `dynamic`, ...: what it needs for fp16.
        optimizers: names it offers.
        shards_optimizer: several processes can each keep a part of the optimizer's state.
        body_runs_once: the step's Python is traced for the first batch and never runs again.
        constant_totals: unpadded micro-batches are padded to round totals, few of them
            where the model is compiled, see `bertkit.data.token_budget`.
        recomputes: activations can be computed again instead of kept.
        profiles: PyTorch's profiler sees its operations.
        skips_nonfinite: a step whose gradient is not finite changes no weight.
        one_batch: a step is computed as one batch, whatever micro-batches it comes in, so only
            a step of sequences of similar length saves padding.
        copies_out: weights and state come from the machine as copies, which no later step
            changes.
        working_copies: bf16 computes with half precision copies of the weights, whose gradients
            are in half precision too, and not by autocast.
        records_steps: it has an option `graphs`, with which passes are recorded and replayed.
    """

    name: str
    fixed_shapes: bool
    step_owner: str
    scalar_reads: str
    layouts: tuple[str, ...]
    precisions: tuple[str, ...]
    loss_scaling: tuple[str, ...]
    optimizers: frozenset[str]
    body_runs_once: bool = False
    shards_optimizer: bool = False
    constant_totals: bool = False
    recomputes: bool = False
    profiles: bool = False
    skips_nonfinite: bool = False
    one_batch: bool = False
    copies_out: bool = False
    working_copies: bool = False
    records_steps: bool = False

    def layout(self, wanted: str) -> str:
        """The batch layout asked for; the machine's best where it is `auto`."""
        return self.layouts[0] if wanted == "auto" else wanted


@dataclass(frozen=True)
class Probe:
    """Whether a backend can be used here.

    Attributes:
        name: of the backend.
        present: it can be used now.
        reason: why not; or what was found, for people.
        version: of the package that drives it; empty where there is none.
        devices: their names.
        hint: what would make it present.
        offline: without a device here, programs for one can be compiled.
    """

    name: str
    present: bool
    reason: str
    version: str = ""
    devices: tuple[str, ...] = ()
    hint: str = ""
    offline: bool = False


@dataclass(frozen=True)
class Problem:
    """A setting that a backend cannot do.

    Attributes:
        flag: the command-line spelling, such as `--precision`.
        text: what is wrong and what would do.
    """

    flag: str
    text: str


@dataclass(frozen=True)
class StepShape:
    """The sizes of a step, for machines that compile it.

    Attributes:
        micro_batch_size: sequences (packed: rows) of one forward pass.
        accumulation: forward passes of one process in a step.
        sequence_length: tokens per row, padding included.
        predictions: masked positions per row, unused ones included; 0 where none are predicted.
        sequences_per_row: more than 1 in packed rows.
        world: processes that share the step.
    """

    micro_batch_size: int
    accumulation: int
    sequence_length: int
    predictions: int = 0
    sequences_per_row: int = 1
    world: int = 1


@dataclass(frozen=True)
class StepPlan:
    """The settings that decide what one step computes.

    Attributes:
        precision: fp32, tf32, bf16 or fp16 for matrix products; weights stay fp32.
        layout: of the micro-batches.
        masks: padded rows come with a mask on every machine, as in fine-tuning.
        max_grad_norm: global norm to which gradients are clipped; 0 leaves them.
        clip: `after` the gradients of all processes are averaged, or `before` (MLPerf).
        loss_scale: for fp16; 0 is dynamic.
        seed: of dropout; step n uses a stream of (seed, n, rank) alone.
        shape: of the step; None where it is not known or changes.
        model: the encoder's sizes; None where they are not known.
        options: the machine's own section of the settings (`bertkit.backends.sections`).
        save_every: steps between checkpoints, 0 for the end only; machines that let weights
            go at announced steps alone need it.
        training: steps update the model; False where it is only evaluated.
        recompute: compute activations again in the backward pass instead of keeping them.
        profile: a trace of some steps is wanted.
        skip_nonfinite: the run goes on after a step whose gradient is not finite.
    """

    precision: str = "fp32"
    layout: str = "unpadded"
    max_grad_norm: float = 1.0
    seed: int = 12345
    clip: str = "after"
    loss_scale: float = 0.0
    shape: StepShape | None = None
    model: BertConfig | None = None
    options: Any = None
    save_every: int = 0
    training: bool = True
    recompute: bool = False
    profile: bool = False
    skip_nonfinite: bool = False
    masks: bool = False


class CompiledOnly(Exception):
    """The machine was asked to compile the step, and has done so; nothing was trained."""


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer by name.

    Attributes:
        name: one of `bertkit.train.optimization.optimizers.NAMES`.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: added to the root of the second moment.
        weight_decay: decoupled, for parameters that decay at all.
        shard: each of several processes keeps the state of a part of the parameters.
    """

    name: str = "adamw"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.01
    shard: bool = False


@dataclass(frozen=True)
class Ticket:
    """Sums of one step that still live on the device; `Stepper.read` makes numbers of them.

    Attributes:
        sums: name → 0-dim tensor.
        facts: numbers that the host knew anyway.
    """

    sums: Mapping[str, Tensor]
    facts: Mapping[str, float] = field(default_factory=dict)


class Task(Protocol):
    """What a model learns: the loss of a micro-batch and the sums to report.

    Attributes:
        trains_all: every parameter of the model gets a gradient in every step. Where some
            get none, adapters must not wait for them.
    """

    @property
    def trains_all(self) -> bool:
        """Whether every parameter gets a gradient."""
        ...

    def losses(
        self, model: nn.Module, tensors: Mapping[str, Tensor], batch: MicroBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward pass.

        Args:
            model: on its device.
            tensors: `batch.arrays` on the model's device.
            batch: lengths and scales on the host.

        Returns:
            This micro-batch's part of the step's loss (the parts of a step add up to it),
            0-dim float32, and detached 0-dim sums and counts.
        """
        ...


class Stepper(Protocol):
    """Steps of one model on one machine."""

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """Exactly one update; `step` counts the updates done before it.

        The ticket holds the task's sums, `loss` and, where the machine tells it, `grad_norm`
        (before clipping); with a loss scale, which leaves out steps that overflow, also
        `loss_scale`.

        Raises:
            CompiledOnly: the settings asked for no more.
        """
        ...

    def evaluate(self, batch: StepBatch) -> Ticket:
        """The task's sums without an update and without dropout."""
        ...

    def predict(self, batch: StepBatch) -> dict[str, np.ndarray]:
        """What the model says about every row, by name, float32 on the host; no dropout.

        The rows of several micro-batches come one after the other.

        Raises:
            CompiledOnly: the settings asked for no more.
        """
        ...

    def read(self, tickets: Sequence[Ticket]) -> list[dict[str, float]]:
        """The numbers of tickets; the only place where a number leaves the device."""
        ...

    def state(self) -> dict[str, Any]:
        """What a resumed run needs beside the weights, as CPU tensors by parameter name."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave.

        Raises:
            ConfigError: it belongs to another optimizer or other parameters.
        """
        ...

    def at_checkpoint(self, save: Callable[[], None]) -> None:
        """Call `save` once weights and state of the step just made can be read.

        Most machines call it at once; engines that run the loop themselves call it back.
        """
        ...


class Adapter(AdapterContext, Protocol):
    """One backend.

    A context manager: what `start` opened is closed at the end of the block, also after an
    error.

        with registry.get("cuda") as adapter:
            pretrain(config, adapter)

    Attributes:
        caps: what it can do.
        process_group: the processes that train together; this one alone before `start`.
    """

    caps: Caps
    process_group: ProcessGroup

    def best_precision(self, hidden_size: int) -> str:
        """What `--precision auto` means for a model of this hidden size."""
        return "fp32"

    def device_memory(self) -> int:
        """Bytes of one of its devices; 0 where that is not known."""
        return 0

    def probe(self) -> Probe:
        """Whether it can be used here; changes nothing."""
        ...

    def validate(self, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
        """All settings it cannot do, at once; needs no device."""
        ...

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Set up the process for training; called once, before any tensor is made.

        Sets `process_group`, the processes that train together.

        Args:
            options: the machine's own section of the settings.
            distributed: the caller can work with several processes.
            process_timeout: minutes that a process waits in a step for one that does not
                answer.

        Raises:
            ConfigError: there are several, and it cannot.
        """
        ...

    def peak_flops(self, precision: str) -> float:
        """Measured operations per second of large matrix products on this process's device."""
        ...

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        ...

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> Optimizer:
        """The named optimizer over the model's parameters, grouped by name."""
        ...

    def loader(
        self, batches: Callable[[], Iterator[StepBatch]], training: bool = True
    ) -> AbstractContextManager[Iterable[StepBatch]]:
        """The batches of a loop, prepared ahead of it in the way the machine wants.

        Args:
            batches: makes them, in order; can be sent to another process. Where it has a
                length (`bertkit.data.prefetch.StepRange`), that is their number.
            training: they go to `Stepper.train`, not to `Stepper.evaluate`.
        """
        ...

    def build(
        self,
        model: nn.Module,
        task: Task,
        plan: StepPlan,
        optimizer: Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> Stepper:
        """Steps over a placed model; without an optimizer only `evaluate` works."""
        ...

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Plain CPU tensors under plain names, ready to be written; main process only."""
        ...

    def close(self) -> None:
        """Free the device and leave the other processes; a second call does nothing."""
        ...
