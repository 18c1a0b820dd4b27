"""`bertkit launch`: writes the command line or job that starts a command on many devices."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from bertkit.backends import registry
from bertkit.backends.sections import BackendSections, section_prefixes
from bertkit.command_line import next_step
from bertkit.command_line.choice import Choice
from bertkit.command_line.command import ALL, Command
from bertkit.command_line.completion import command_line
from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.config import Layer, flatten, is_preset, resolve, setting
from bertkit.configuration.option_groups import KUBERNETES, MACHINE, OUTPUT, SLURM
from bertkit.external_configs.detect import translate_file
from bertkit.external_configs.translation import PRETRAIN
from bertkit.launch.command_lines import CPU_BINDINGS
from bertkit.launch.job import COMPUTING
from bertkit.launch.launch import LAUNCHERS, check_files, plan
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.registry import commands as training_commands


def require_no_option(word: str, ctx: click.Context | None) -> None:
    """Refuse an unknown option where a kind or a command belongs; later ones are the command's."""
    if word.startswith("-") and ctx is not None and isinstance(ctx.command, Command):
        raise ctx.command.no_such_option(ctx, word.partition("=")[0])


class Kind(Choice):
    """A launcher, or `check`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One of them."""
        require_no_option(str(value), ctx)
        return super().convert(value, param, ctx)


class CommandLine(click.types.UnprocessedParamType):
    """The command to launch and its arguments, or the files to check."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """What the command itself would complete; file names for `check`."""
        if ctx.params.get("kind") == "check":
            return Place("FILE").shell_complete(ctx, param, incomplete)
        return command_line(ctx, ctx.params.get("words") or (), incomplete)


@dataclass(frozen=True)
class SharedSettings(BackendSections):
    """What a launcher asks of a command that trains on other data than records."""

    backend: str = setting(registry.AUTO)


def _backends(ctx: click.Context, parameter: click.Parameter, begin: str) -> list[str]:
    """The names of backends that begin so, for the shell."""
    return [name for name in registry.names() if name.startswith(begin)]


@options.command(context_settings={"ignore_unknown_options": True})
@click.argument("kind", type=Kind([*LAUNCHERS, "check"]), metavar="KIND")
@click.argument("words", nargs=-1, type=CommandLine(), metavar="[-- COMMAND ...]")
@options.option(
    "--backend",
    default="",
    metavar="NAME",
    shell_complete=_backends,
    help=f"One of {', '.join(registry.names())}.",
    example="cuda",
    group=MACHINE,
    first=True,
)
@options.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Total number of devices.",
    group=MACHINE,
    first=True,
)
@options.option(
    "--per-node",
    type=int,
    default=0,
    metavar="N",
    help="Devices per node.",
    group=MACHINE,
    first=True,
)
@options.option(
    "--name",
    default="bertkit",
    help="Name of the job.",
    show_default=True,
    group=OUTPUT,
    first=True,
    metavar="NAME",
    example="phase1",
)
@options.option(
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="Variable for every process; repeatable.",
    group=MACHINE,
    first=True,
    example="NCCL_DEBUG=INFO",
)
@options.option(
    "--rendezvous",
    default="",
    metavar="HOST:PORT",
    help="torchrun: address of the first of several nodes.",
    group=MACHINE,
    first=True,
    example="node1:29500",
)
@options.option(
    "--max-restarts",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="torchrun, slurm: start all processes again so many times where one ends with an error;"
    " the run goes on from its last checkpoint.",
    group=MACHINE,
)
@options.option(
    "--cpu-binding",
    type=click.Choice(CPU_BINDINGS),
    help="torchrun, slurm: keep each process on cores near its GPU, by PyTorch's rules.",
    group=MACHINE,
    example="node",
)
@options.option(
    "--instances",
    type=int,
    default=1,
    metavar="N",
    help="poprun: number of host processes.",
    group=MACHINE,
)
@options.option(
    "--address",
    default="",
    metavar="HOST",
    help="csrun: address of the system.",
    group=MACHINE,
    example="10.0.0.1:9000",
)
@options.option(
    "--image",
    default="",
    help="Container image that has bertkit.",
    group=KUBERNETES,
    first=True,
    metavar="NAME",
    example="registry/bertkit:1",
)
@options.option(
    "--namespace",
    default="default",
    help="Namespace of the job.",
    group=KUBERNETES,
    metavar="NAME",
    example="training",
)
@options.option(
    "--mount",
    multiple=True,
    metavar="/HOST:/CONTAINER",
    help="Host folder to mount; repeatable.",
    group=KUBERNETES,
    first=True,
    example="/data:/data",
)
@options.option(
    "--cpu",
    default="",
    help="kubernetes: cores per container; slurm: cores of a node, by default all where all its"
    " devices are used.",
    group=MACHINE,
    metavar="N",
    example="16",
)
@options.option(
    "--memory",
    default="",
    help="Memory per container, such as 64Gi.",
    group=KUBERNETES,
    metavar="SIZE",
    example="64Gi",
)
@options.option(
    "--huge-pages",
    default="",
    help="2 MiB pages per container, such as 95000Mi.",
    group=KUBERNETES,
    metavar="SIZE",
    example="95000Mi",
)
@options.option(
    "--pvc",
    multiple=True,
    metavar="CLAIM:/CONTAINER",
    help="Persistent volume claim to mount; repeatable.",
    group=KUBERNETES,
    example="corpus:/data",
)
@options.option(
    "--shm",
    default="",
    metavar="SIZE",
    help="Size of a Pod's /dev/shm, such as 16Gi; for several devices by default"
    " as much as the memory.",
    group=KUBERNETES,
    example="16Gi",
)
@options.option(
    "--node-selector",
    multiple=True,
    metavar="KEY=VALUE",
    help="Label that a node must have; repeatable.",
    group=KUBERNETES,
    example="gpu=h100",
)
@options.option(
    "--resource",
    default="",
    metavar="NAME",
    help="What a container asks for its devices; by default the backend's,"
    " nvidia.com/gpu for cuda. For AMD's GPUs: amd.com/gpu.",
    group=KUBERNETES,
    example="amd.com/gpu",
)
@options.option(
    "--setup",
    default="",
    help="Shell commands that every node runs first.",
    group=KUBERNETES,
    metavar="COMMANDS",
    example="pip install bertkit",
)
@options.option(
    "--hours",
    type=int,
    default=24,
    help="Time limit in hours.",
    show_default=True,
    group=SLURM,
    first=True,
)
@options.option(
    "--partition",
    default="",
    help="Partition of the cluster.",
    group=SLURM,
    first=True,
    metavar="NAME",
    example="gpu",
)
@options.option(
    "--output",
    "-o",
    default="",
    metavar="FILE",
    help="File to write; by default stdout.",
    group=OUTPUT,
    first=True,
)
@options.option(
    "--overwrite",
    is_flag=True,
    help="Replace the file that --output names, where it has other text.",
    group=OUTPUT,
)
@options.common_options
def command(kind: str, words: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Print or write what starts a bertkit command on many devices.

    \b
    torchrun    one process per device, by PyTorch's launcher
    mpirun      one process per Gaudi card
    poprun      replicas on Graphcore's IPUs
    csrun       Cerebras' older systems: their run.py with a params file
    kubernetes  a Pod for one card or for data, an MPIJob for several Gaudi cards
    slurm       a batch script that queues itself again until the run is finished
    check       checks existing Kubernetes documents: bertkit launch check FILE...

    Documents are checked before they are written: against Kubernetes' schemas, and whether
    cards, slots, processes, huge pages and the global batch match.

    \b
    Example:
      bertkit launch torchrun --backend cuda --devices 8 -- pretrain --preset large-phase1 ...
      bertkit launch kubernetes --backend hpu --devices 8 --image IMAGE --mount /data:/data \\
        --output phase1.yaml -- pretrain --preset large-phase1 --input /data/records ...
    """
    if kind == "check":
        checked = check_files(words)
        options.finish(
            {"checked": checked}, as_json, "\n".join(f"{name}: fits" for name in checked)
        )
        return
    ctx = click.get_current_context()
    if words:
        require_no_option(words[0], ctx)
    settings = read_settings(ctx.find_root(), words)
    found = plan(kind, words, settings=settings, **given)
    written = given["output"]
    options.finish(
        {"kind": kind, "text": found, "output": written},
        as_json,
        written or found.rstrip("\n"),
        next_step.command("launch", "check", written) if written and kind == "kubernetes" else "",
    )


def read_settings(root: click.Context, words: Sequence[str]) -> Any:
    """The settings that a command line of bertkit gives, read by that command's own parser.

    The environment of this machine is left out: the command will run in another one.

    Args:
        root: context of the group that has the command.
        words: the command and its arguments.

    Returns:
        See `bertkit.launch.job.Job.settings`.

    Raises:
        click.UsageError, UsageError, ConfigError: what the command itself would refuse.
    """
    if not words:
        return None
    group: Any = root.command
    name, command, rest = group.resolve_command(root, list(words))
    # The command's help is for the machine that runs it, not for this one.
    rest = [word for word in rest if word not in (*root.help_option_names, ALL)]
    title = f"bertkit {name}"
    try:
        # Without a parent there is no prefix of environment variables.
        inner = command.make_context(title, rest, token_normalize_func=root.token_normalize_func)
    except click.UsageError as error:
        if isinstance(error, click.MissingParameter) and name not in training_commands():
            return None  # a variable of the job's environment may give it
        if error.ctx is None:  # else the message would show the usage of launch
            error.ctx = click.Context(command, info_name=title)
        raise
    if name not in COMPUTING:
        return None
    translate = functools.partial(translate_file, command=name)
    with inner.scope(cleanup=False):
        given = dict(inner.params)
        if name == PRETRAIN:
            # The command itself says what a file lacks; csrun's own program reads it alone.
            found = options.resolved(PretrainConfig, given, given["preset"], translate, whole=False)
            if is_preset(found.origins.get("micro_batch_size")):  # yields to the devices
                return replace(found.config, micro_batch_size=0)
            return found.config
        preset = given.get("preset")
        layers, _ = options.layers(SharedSettings, given, preset, translate)
    return resolve(SharedSettings, [_shared(layer) for layer in layers]).config


def _shared(layer: Layer) -> Layer:
    """The settings of a layer that `SharedSettings` has."""
    values = flatten(layer.values)
    return Layer(
        layer.origin,
        {
            key: value
            for key, value in values.items()
            if key == "backend" or key.startswith(section_prefixes())
        },
    )
