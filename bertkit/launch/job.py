"""Defines a job: one bertkit command, and the devices that run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.backends import registry
from bertkit.backends.sections import options_of
from bertkit.errors import ConfigError, UsageError
from bertkit.tasks import registry as tasks
from bertkit.train.config import TrainingConfig

# Commands that compute on a backend, and so are told which one.
COMPUTING = (*tasks.commands(), "eval", "predict")


@dataclass(frozen=True)
class Job:
    """A command and where it runs.

    Attributes:
        words: the bertkit command, such as `pretrain --config FILE`.
        backend: its name.
        devices: in all.
        per_node: devices of one node.
        name: of the job.
        settings: what the command line sets: the `PretrainConfig` of `pretrain`, at least the
            sections of the backends for another command that several processes can share; None
            for the others.
        environment: variables that every process gets.
    """

    words: tuple[str, ...]
    backend: str
    devices: int = 1
    per_node: int = 1
    name: str = "bertkit"
    settings: Any = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """Nodes that the devices are in."""
        return self.devices // self.per_node

    @property
    def command(self) -> list[str]:
        """The bertkit command line of one process."""
        return ["bertkit", *self.words]


def make_job(
    words: Sequence[str],
    *,
    backend: str = "",
    devices: int = 1,
    per_node: int = 0,
    name: str = "bertkit",
    settings: Any = None,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """A checked job.

    Args:
        words: the bertkit command.
        backend: name, or empty for the one that the settings name.
        devices: in all.
        per_node: devices of one node; 0 for what such machines usually have.
        name: of the job.
        settings: of the command, see `Job`.
        environment: variables that every process gets.

    Raises:
        UsageError: no command, no backend, or devices that fill no whole nodes.
        ConfigError: the batch does not divide over the devices.
    """
    if not words:
        raise UsageError("no command to start", "example: bertkit launch torchrun -- pretrain ...")
    backend = backend or getattr(settings, "backend", registry.AUTO)
    if backend == registry.AUTO:
        raise UsageError("no backend given, and the command names none", "give --backend")
    size = min(devices, per_node or registry.row(backend).devices_per_node)
    if devices % size:
        raise UsageError(f"{devices} devices are not a multiple of the {size} per node")
    named = any(word.partition("=")[0] == "--backend" for word in words)
    if words[0] in COMPUTING and not named:
        words = [*words, "--backend", backend]
    own = getattr(settings, "backend", backend)
    if named and own not in (backend, registry.AUTO):
        raise UsageError(
            f"the job is for --backend {backend}, its command says --backend {own}",
            "give it once, before or behind the --",
        )
    variables: dict[str, str] = {}
    if words[0] in COMPUTING:
        options = options_of(settings, backend) if settings else None
        variables = registry.row(backend).environment(options)
    job = Job(
        words=tuple(words),
        backend=backend,
        devices=devices,
        per_node=size,
        name=name,
        settings=settings,
        environment=variables | dict(environment or {}),
    )
    problem = batch_problem(job)
    if problem:
        raise ConfigError(problem)
    return job


def batch_problem(job: Job) -> str:
    """What is wrong with global batch = micro-batch x accumulation x processes; or nothing."""
    config = job.settings
    if not isinstance(config, TrainingConfig):
        return ""
    world = job.devices if registry.row(job.backend).process_per_device else 1
    if config.micro_batch_size == 0:
        size = config.global_batch_size
        text = f"--global-batch-size {size} is not a multiple of {world} devices"
        return text if size % world else ""
    if config.global_batch_size % (config.micro_batch_size * world):
        return (
            f"--global-batch-size {config.global_batch_size} is not a multiple of"
            f" --micro-batch-size {config.micro_batch_size} x {world} devices"
        )
    return ""
