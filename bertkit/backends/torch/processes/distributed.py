"""Trains one model in several processes, with torchrun and torch.distributed.

Gradients travel by DistributedDataParallel over the backend of the machine (nccl, gloo);
numbers that the host knows travel over a gloo group of their own, so that no
accelerator has to wait for them.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from bertkit import log
from bertkit.backends.process_group import PROCESS_TIMEOUT, ProcessGroup, Topology
from bertkit.backends.torch.machine_errors import in_short
from bertkit.backends.torch.processes.gradient_exchange import Hook
from bertkit.backends.torch.processes.group_end import end_groups, keeps_groups, leave_threads
from bertkit.backends.torch.processes.lost_process import (
    LostProcessError,
    close_notes,
    explain_lost_process,
    open_notes,
)
from bertkit.backends.torch.processes.own_address import VARIABLE, where_gloo_listens
from bertkit.backends.torch.processes.rendezvous import meet, together_or_not
from bertkit.backends.torch.processes.told_waits import ToldWaits
from bertkit.errors import BertkitError, ConfigError, StoppedError, TargetNotReachedError
from bertkit.system.unheard_signals import UnheardSignals

# For what all wait for while one process works: evaluating, reading and preparing data.
_WORK_MINUTES = 30.0
# A library of accelerators kills the process at its timeout: the host, which says why, comes first.
_LATER_MINUTES = 2.0
# Exit statuses that all processes of a run end with together: stopped, target missed.
_ALIKE = (StoppedError.exit_code, TargetNotReachedError.exit_code)
# What gloo says of a process that has not left its address.
_SILENT = re.compile(r"wait timeout after \d+ms, keys: \S*/(\d+)$")
# Launchers that tell a process of the others by names of their own → what says how many there are.
_TASKS = {"srun": "SLURM_STEP_NUM_TASKS", "mpirun": "OMPI_COMM_WORLD_SIZE"}
_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class TorchProcessGroup(ProcessGroup):
    """The processes that torchrun started.

    Args:
        topology: this process's place among them.
        minutes: to wait in a step for a process that does not answer.
        signals: that this process may not hear while it waits; watched until the group is closed.
    """

    def __init__(
        self,
        topology: Topology,
        minutes: float = PROCESS_TIMEOUT,
        signals: UnheardSignals | None = None,
    ) -> None:
        super().__init__(topology)
        self._signals = signals
        self._notes = open_notes(topology, minutes)
        self._failed = False
        self._orderly = True
        work = datetime.timedelta(minutes=max(minutes, _WORK_MINUTES))
        with explain_lost_process():
            # Two groups of the host: in steps, and between them.
            self._steps = dist.new_group(
                backend="gloo", timeout=datetime.timedelta(minutes=minutes)
            )
            self._work = dist.new_group(backend="gloo", timeout=work)
        self._waits = ToldWaits(topology, self._notes.store) if self._notes else None
        if signals and self._notes:
            signals.tell = self._notes.tell

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added up over all processes; the same result in each of them."""
        tensor = torch.tensor(list(values), dtype=torch.float64)
        with self._waiting(), explain_lost_process():
            dist.all_reduce(tensor, group=self._steps)
        result: list[float] = tensor.tolist()
        return result

    def gather(self, item: Any) -> list[Any]:
        """Any small object of every process, in the order of their ranks."""
        found: list[Any] = [None] * self.topology.world
        with self._waiting(), explain_lost_process():
            dist.all_gather_object(found, item, group=self._work)
        return found

    def collect(self, item: Any) -> list[Any]:
        """Any object of every process, in the order of ranks; empty but in the main one."""
        found = [None] * self.topology.world if self.topology.is_main else None
        with self._waiting(), explain_lost_process():
            dist.gather_object(item, found, group=self._work)
        return found or []

    def wait(self) -> None:
        """Return once every process has called this."""
        with self._waiting(), explain_lost_process():
            dist.all_reduce(torch.zeros(1), group=self._work)

    def _waiting(self) -> contextlib.AbstractContextManager[None]:
        return self._waits.waiting() if self._waits else contextlib.nullcontext()

    def report_failure(self, error: BaseException) -> None:
        """Leave a note for the other processes, unless they know or do the same."""
        self._failed = True
        ending = isinstance(error, BertkitError) and error.exit_code in _ALIKE
        self._orderly = ending
        if self._notes is None or ending or isinstance(error, LostProcessError):
            return
        self._notes.tell(_cause(error), getattr(error, "exit_code", 1))

    def close(self) -> None:
        """Leave the group; the process can then end, or start another one."""
        if self._waits:
            self._waits.close()
        close_notes(self._orderly)
        groups = [dist.group.WORLD, self._steps, self._work]
        self._steps = self._work = None
        abort = getattr(dist.distributed_c10d, "_abort_process_group", None)
        if self._failed and abort and dist.get_backend() == "nccl":
            # Its kernels would wait for processes that are gone.
            abort()
        else:
            dist.destroy_process_group()
        end_groups(groups, self._orderly)
        if self._signals:
            self._signals.stop()


def _cause(error: BaseException) -> str:
    """What the other processes are told of an error."""
    text = str(error).strip().partition("\n")[0][:300]
    if isinstance(error, BertkitError):
        return text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted (Ctrl-C)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text}"


def start_group(
    backend: str,
    distributed: bool,
    process_timeout: float = PROCESS_TIMEOUT,
    device: torch.device | None = None,
) -> ProcessGroup:
    """Join the processes that torchrun started; alone where it did not.

    Args:
        backend: that carries gradients: gloo or nccl.
        distributed: whether the command can train in several processes.
        process_timeout: minutes to wait in a step for a process that does not answer.
        device: this process's, where the backend wants to know it (nccl).

    Raises:
        ConfigError: several processes for a command that runs in one, or an incomplete
            environment.
        BertkitError: the processes do not find each other.
    """
    topology = Topology.from_environment()
    if topology.world == 1:
        _warn_of_strangers()
        return ProcessGroup()
    if not distributed:
        raise ConfigError(
            f"this command runs in one process, WORLD_SIZE is {topology.world}",
            "start it without torchrun",
        )
    missing = [name for name in _NEEDED if name not in os.environ]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {topology.world}, but {', '.join(missing)} are not set",
            "start with: torchrun --nproc-per-node N -m bertkit pretrain ...",
        )
    port = os.environ["MASTER_PORT"]
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError(f"MASTER_PORT is {port}", "give the number of a port, 1 to 65535")
    log.set_rank(topology.rank)
    if not topology.is_main:
        log.setup(-1)
    signals = UnheardSignals()
    signals.start()
    try:
        _join(topology, backend, process_timeout, device)
        return TorchProcessGroup(topology, process_timeout, signals)
    except BaseException:
        signals.stop()
        if dist.is_initialized():
            leave_threads()
        raise


def _warn_of_strangers() -> None:
    """Say that a launcher started several processes, and this one knows of no others."""
    for launcher, name in _TASKS.items():
        count = os.environ.get(name, "")
        if "WORLD_SIZE" not in os.environ and count.isdecimal() and int(count) > 1:
            log.logger.warning(
                "%s started %s processes (%s), and each does all of this by itself; for one run in"
                " several processes: bertkit launch torchrun, or slurm", launcher, count, name,
            )  # fmt: skip


def _join(
    topology: Topology, backend: str, process_timeout: float, device: torch.device | None
) -> None:
    """Find the other processes, and make PyTorch's default group of them."""
    later = 0.0 if backend == "gloo" else _LATER_MINUTES
    limit = datetime.timedelta(minutes=process_timeout + later)
    place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        # Processes start at different times: that takes longer than a step may.
        store = meet(topology, _WORK_MINUTES)
    except (ValueError, RuntimeError, OSError) as error:
        line = str(error).strip().partition("\n")[0][:300]
        if isinstance(error, dist.DistNetworkError) and not topology.is_main:
            line = "the connection to their store was lost; see the output of process 0"
        raise BertkitError(
            f"the {topology.world} processes of this run do not find each other at {place}: {line}",
            "check MASTER_ADDR and MASTER_PORT, and that all processes were started",
        ) from error

    def make() -> None:
        dist.init_process_group(
            backend, store=store, rank=topology.rank, world_size=topology.world, timeout=limit,
            device_id=device,
        )  # fmt: skip

    try:
        if backend == "gloo":
            together_or_not(topology, make)
        else:  # a library of devices may mind in which thread it begins
            make()
    except (ValueError, RuntimeError, OSError) as error:
        silent = _SILENT.search(str(error).strip().partition("\n")[0])
        line = in_short(str(error))
        if silent:
            line = f"process {silent[1]} came, but does not connect (killed, or out of reach?)"
        raise BertkitError(
            f"the {topology.world} processes of this run met at {place}, but do not connect to each"
            f" other: {line} ({where_gloo_listens()})",
            f"each host must reach all others at any port (a firewall?) and know itself by the"
            f" address that they reach (no 127.0.1.1 in /etc/hosts); {VARIABLE} names the network"
            f" interface where there are several",
        ) from error


def wrap(
    model: nn.Module, process_group: ProcessGroup, unused: bool, hook: Hook | None = None
) -> nn.Module:
    """The model with its gradients averaged over all processes.

    Args:
        model: on its device, the same in every process.
        process_group: alone, the model itself is returned.
        unused: some parameters get no gradient, such as a head that is not trained.
        hook: how gradients travel, see `bertkit.backends.torch.processes.gradient_exchange`.
    """
    if process_group.topology.world == 1:
        return model
    with explain_lost_process():
        wrapped = DistributedDataParallel(
            model, gradient_as_bucket_view=True, find_unused_parameters=unused
        )
    keeps_groups(wrapped)
    if hook is not None:
        wrapped.register_comm_hook(None, hook)
    if process_group.topology.world > 2:
        # Of two processes the order of a sum does not matter.
        constant: Any = _SameBuckets(wrapped.reducer)
        wrapped.reducer = constant
        keeps_groups(constant)
    return wrapped


class _SameBuckets:
    """DistributedDataParallel's reducer, with the buckets of the first step in all steps.

    It would sort gradients anew after the first step of each start. Where in a bucket a gradient
    lies decides in which order its parts of three and more processes are added, and so its bits:
    a run that was resumed would not be the run that went on.
    """

    def __init__(self, reducer: Any) -> None:
        self._reducer = reducer

    def _rebuild_buckets(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        if name == "_reducer":  # taken away when the group ends
            raise AttributeError(name)
        return getattr(self._reducer, name)


@torch.no_grad()
def share_weights(model: nn.Module, process_group: ProcessGroup) -> None:
    """Give every process the weights of the main one; what `wrap` does, too."""
    if process_group.topology.world > 1:
        with explain_lost_process():
            for parameter in model.parameters():
                dist.broadcast(parameter.data, 0)


def reduce_gradients(
    parameters: Sequence[Tensor], divisor: int = 1, norm: Tensor | None = None
) -> Tensor:
    """Add up the gradients of all processes in one call.

    Args:
        parameters: the same ones have a gradient in every process.
        divisor: of the sums.
        norm: a number of this process that travels along, 0-dim.

    Returns:
        The sum of `norm` over the processes, divided likewise, 0-dim; 0 without it.
    """
    gradients = [item.grad for item in parameters if item.grad is not None]
    own = gradients[0].new_zeros(()) if norm is None else norm
    flat = torch.cat([*(item.reshape(-1) for item in gradients), own.reshape(1)])
    with explain_lost_process():
        dist.all_reduce(flat)
    if divisor != 1:
        flat /= divisor
    start = 0
    for item in gradients:
        item.copy_(flat[start : start + item.numel()].view_as(item))
        start += item.numel()
    return flat[-1]
