"""What to start: a bertkit command, and the devices it gets."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.config import Layer, flatten, load_preset, load_yaml, parse_assignments, resolve
from bertkit.errors import ConfigError, UsageError
from bertkit.external_configs.detect import translate_file
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.train.backend_options import IpuConfig

# What a node of each kind of machine usually has.
NODE = {"hpu": 8, "cuda": 8, "cpu": 1, "ipu": 16, "cs": 1}


@dataclass(frozen=True)
class Job:
    """A command and where it runs.

    Attributes:
        words: the bertkit command, such as `pretrain --config FILE`.
        backend: the machine's name.
        devices: in all.
        per_node: devices of one node.
        name: of the job.
        pretrain: the resolved settings of `pretrain`; None for other commands.
        ipu: the settings of IPUs of commands that several processes can share; None for others.
        environment: variables that every process gets.
    """

    words: tuple[str, ...]
    backend: str
    devices: int = 1
    per_node: int = 1
    name: str = "bertkit"
    pretrain: PretrainConfig | None = None
    ipu: IpuConfig | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """Nodes that the devices stand in."""
        return self.devices // self.per_node

    @property
    def command(self) -> list[str]:
        """The bertkit command line of one process."""
        return ["bertkit", *self.words]


def make_job(
    words: Sequence[str],
    backend: str,
    devices: int,
    per_node: int = 0,
    name: str = "bertkit",
    environment: Mapping[str, str] | None = None,
) -> Job:
    """A checked job.

    Args:
        words: the bertkit command.
        backend: name, or empty for the one that the command names.
        devices: in all.
        per_node: devices of one node; 0 for what such machines usually have.
        name: of the job.
        environment: variables that every process gets.

    Raises:
        UsageError: no command, or devices that fill no whole nodes.
        ConfigError: the settings of the command contradict each other or the devices.
    """
    if not words:
        raise UsageError("no command to start", "example: bertkit launch torchrun -- pretrain ...")
    config = read_words(words[1:]) if words[0] == "pretrain" else None
    backend = backend or (config.backend if config else "auto")
    if backend == "auto":
        raise UsageError("on which machine?", "give --backend")
    size = min(devices, per_node or NODE.get(backend, 1))
    if devices % size:
        raise UsageError(f"{devices} devices do not fill nodes of {size}")
    if "--backend" not in words and words[0] in ("pretrain", "eval", "finetune-squad", "predict"):
        words = [*words, "--backend", backend]
    ipu = config.ipu if config else None
    if words[0] == "finetune-squad":
        ipu = read_ipu(words[1:])
    job = Job(tuple(words), backend, devices, size, name, config, ipu, dict(environment or {}))
    problem = batch_problem(job)
    if problem:
        raise ConfigError(problem)
    return job


def batch_problem(job: Job) -> str:
    """What is wrong with global batch = micro-batch x accumulation x processes; or nothing."""
    config = job.pretrain
    if config is None or config.micro_batch_size == 0:
        return ""
    world = job.devices if job.backend in ("hpu", "cuda") else 1
    if config.global_batch_size % (config.micro_batch_size * world):
        return (
            f"--global-batch-size {config.global_batch_size} is not a multiple of"
            f" --micro-batch-size {config.micro_batch_size} x {world} devices"
        )
    return ""


def read_words(words: Sequence[str]) -> PretrainConfig:
    """The settings that the words of a `pretrain` command line give.

    Raises:
        UsageError, ConfigError: see `bertkit.config.resolve`.
    """
    flags, files, presets, assigned = _flags(words)
    layers = [Layer(f"preset {name}", load_preset(name)) for name in presets]
    for name in files:
        external = translate_file(name)
        layers.append(Layer(name, external.values if external else load_yaml(name)))
    layers += [Layer("command line", flags), Layer("--set", parse_assignments(assigned))]
    return resolve(PretrainConfig, layers).config


def read_ipu(words: Sequence[str]) -> IpuConfig:
    """The settings of IPUs that the words of any command line give.

    Raises:
        UsageError, ConfigError: see `bertkit.config.resolve`.
    """
    _, files, presets, assigned = _flags(words)
    given = [(f"preset {name}", load_preset(name)) for name in presets]
    given += [(name, load_yaml(name)) for name in files]
    given.append(("--set", parse_assignments(assigned)))
    layers = []
    for origin, values in given:
        own = {key: value for key, value in flatten(values).items() if key.startswith("ipu.")}
        layers.append(Layer(origin, {key.removeprefix("ipu."): own[key] for key in own}))
    return resolve(IpuConfig, layers).config


def _flags(
    words: Sequence[str],
) -> tuple[dict[str, Any], list[str], list[str], list[str]]:
    """(settings, config files, presets, assignments) of a command line."""
    spellings = _spellings()
    special: dict[str, list[str]] = {"--config": [], "--preset": [], "--set": []}
    flags: dict[str, Any] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        name = "--" + name[2:].replace("_", "-") if name.startswith("--") else name
        if name in spellings and spellings[name][1] is bool:
            flags[spellings[name][0]] = not name.startswith("--no-")
            continue
        values = [value] if equals else []
        while not equals and rest and not rest[0].startswith("--") and rest[0] not in spellings:
            values.append(rest.pop(0))
        if name in special:
            special[name] += values
        elif name in spellings:
            key, hint = spellings[name]
            flags[key] = values if typing.get_origin(hint) is list else values[-1] if values else ""
    return flags, special["--config"], special["--preset"], special["--set"]


def _spellings() -> dict[str, tuple[str, Any]]:
    """Flag → (setting, its type)."""
    found: dict[str, tuple[str, Any]] = {}
    hints = typing.get_type_hints(PretrainConfig)
    for item in dataclasses.fields(PretrainConfig):
        if dataclasses.is_dataclass(hints[item.name]):
            kind = hints[item.name]
            inner = typing.get_type_hints(kind)
            for name in item.metadata.get("options", ()):
                _add(found, f"{item.name}.{name}", name, inner[name], ())
            continue
        _add(found, item.name, item.name, hints[item.name], item.metadata.get("flags", ()))
    return found


def _add(
    found: dict[str, tuple[str, Any]], key: str, name: str, hint: Any, more: Sequence[str]
) -> None:
    flag = "--" + name.replace("_", "-")
    for spelling in (flag, *more, *(["--no-" + flag[2:]] if hint is bool else [])):
        found[spelling] = key, hint
