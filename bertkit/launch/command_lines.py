"""Builds the commands that start a job: torchrun, mpirun, poprun, csrun, a Slurm script."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence

from bertkit.backends import registry
from bertkit.backends.sections import options_of
from bertkit.configuration.config import Layer, as_dict, flatten, load_yaml, resolve
from bertkit.errors import UsageError
from bertkit.external_configs.detect import translate_file
from bertkit.launch.job import Job
from bertkit.tasks import registry as tasks
from bertkit.tasks.pretraining.config import PretrainConfig

PORT = 15566
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})")
_SAFE = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
# A host (an address of IPv6 in brackets) and a port; both may be variables of the shell.
_MEETING = re.compile(r"(?:\[[\w:.%]+\]|[^\s:\[\]]+):(?:\d{1,5}|\$\w+|\$\{\w+\})")
SOCKETS = 2
# As torchrun names them: near cores of the GPU's memory node, of its socket, no core of another
# process, or one complex of cores.
CPU_BINDINGS = ("node", "socket", "exclusive", "core-complex")


def torchrun(
    job: Job, rendezvous: str = "", max_restarts: int = 0, cpu_binding: str = ""
) -> list[str]:
    """One process per device by PyTorch's launcher; run it on every node.

    Args:
        job: what to start.
        rendezvous: host:port of one node, where there are several.
        max_restarts: how often all processes are started again where one ends with an error.
        cpu_binding: one of `CPU_BINDINGS`: which cores near its GPU a process may use.

    Raises:
        UsageError: several nodes without a rendezvous; cores near devices that are no GPUs.
    """
    if job.nodes > 1 and not rendezvous:
        raise UsageError(
            f"{job.devices} devices are {job.nodes} nodes of {job.per_node}",
            f"give --rendezvous HOST:PORT; or --per-node {job.devices}, if one node has them all",
        )
    if rendezvous and not _MEETING.fullmatch(rendezvous):
        raise UsageError(
            f"--rendezvous {rendezvous} is no HOST:PORT", "such as node1:29500 or [fd00::1]:29500"
        )
    meeting = (
        ["--rdzv-backend", "c10d", "--rdzv-endpoint", rendezvous, "--rdzv-id", job.name]
        if job.nodes > 1
        else ["--standalone"]
    )
    return [
        *_environment(job),
        "torchrun",
        "--nnodes",
        str(job.nodes),
        "--nproc-per-node",
        str(job.per_node),
        *meeting,
        *_elastic(job, max_restarts, cpu_binding),
        "--module",
        *job.command,
    ]


def _elastic(job: Job, max_restarts: int, cpu_binding: str) -> list[str]:
    """torchrun's flags for restarts and for cores; it asks NVIDIA's driver which are near."""
    if cpu_binding and job.backend != "cuda":
        raise UsageError(f"--cpu-binding is for cuda, not for {job.backend}", "leave it out")
    restarts = ["--max-restarts", str(max_restarts)] if max_restarts else []
    return [*restarts, *(["--numa-binding", cpu_binding] if cpu_binding else [])]


def mpirun(job: Job, master: str = "$MASTER_ADDR") -> list[str]:
    """One process per Gaudi card, spread evenly over the sockets, as Habana's recipes do.

    Args:
        job: what to start.
        master: address of the first node; may be a shell variable.

    Raises:
        UsageError: cards that do not divide evenly over the sockets.
    """
    if job.per_node > 1 and job.per_node % SOCKETS:
        raise UsageError(
            f"{job.per_node} cards per node cannot be divided evenly over {SOCKETS} sockets"
        )
    each = max(1, job.per_node // SOCKETS)
    exported = [f"MASTER_ADDR={master}", f"MASTER_PORT={PORT}", "PYTHONPATH", "HOME"]
    exported += [f"{name}={value}" for name, value in job.environment.items()]
    return [
        "mpirun",
        "-np",
        str(job.devices),
        "--allow-run-as-root",
        "--bind-to",
        "core",
        "--map-by",
        f"ppr:{each}:socket:PE=6",
        "--rank-by",
        "core",
        "--report-bindings",
        "--tag-output",
        "--merge-stderr-to-stdout",
        "--prefix",
        "$MPI_ROOT",
        *(word for name in exported for word in ("-x", name)),
        *job.command,
    ]


def poprun(job: Job, instances: int = 1) -> list[str]:
    """Replicas of a Graphcore job over one or several host processes.

    Args:
        job: what to start; its settings say how many replicas a process has, and how many IPUs
            a replica.
        instances: host processes.

    Raises:
        UsageError: a command of one process, or `--devices` that the settings do not use.
    """
    trains = job.settings is not None and job.words[0] in tasks.commands()
    ipu = options_of(job.settings, "ipu") if trains else None
    if ipu is None:
        names = ", ".join(f"`{name}`" for name in tasks.commands())
        raise UsageError(f"poprun starts {names}", "other commands need one process")
    # A pipeline ends on the IPU where it began: its stages are more than its IPUs.
    mapping = ipu.device_mapping or range(len(ipu.pipeline_stages))
    each = ipu.ipus_per_replica or max(len(ipu.layers_per_ipu), max(mapping, default=0) + 1)
    replicas = ipu.replicas * instances  # the settings are those of one process
    if job.devices not in (1, replicas * each):
        wanted, rest = divmod(job.devices, each * instances)
        raise UsageError(
            f"--devices {job.devices}, but the settings use {replicas * each}: {instances} host"
            f" processes x {ipu.replicas} replicas x {each} IPUs",
            f"give -- ... --set ipu.replicas={wanted}"
            if not rest
            else f"give a multiple of {each * instances}",
        )
    exported = [f"-x {name}={shlex.quote(value)}" for name, value in job.environment.items()]
    return [
        "poprun",
        "--vv",
        "--num-instances",
        str(instances),
        "--num-replicas",
        str(replicas),
        "--update-partition=yes",
        "--remove-partition=yes",
        "--reset-partition=no",
        "--vipu-server-host",
        "$IPUOF_VIPU_API_HOST",
        "--vipu-partition",
        "$IPUOF_VIPU_API_PARTITION_ID",
        "--ipus-per-replica",
        str(each),
        "--mpi-local-args",
        " ".join(["-x PATH -x LD_LIBRARY_PATH -x PYTHONPATH -x POPLAR_ENGINE_OPTIONS", *exported]),
        *job.command,
    ]


def csrun(job: Job, address: str = "", params: str = "") -> list[str]:
    """The line that starts Cerebras' own run.py of their TensorFlow releases.

    Args:
        job: its settings say where the run's folder is and what to do.
        address: of the system; not needed to validate or compile.
        params: the YAML file of their form.

    Raises:
        UsageError: something that the line needs is missing.
    """
    config = job.settings
    if not (isinstance(config, PretrainConfig) and params and config.output):
        raise UsageError(
            "csrun starts their run.py with a params file",
            "give -- pretrain --config PARAMS.yaml --output MODEL_DIR",
        )
    options = options_of(config, "cs")
    only = "--validate_only" if options.validate_only else ""
    only = "--compile_only" if options.compile_only else only
    if not only and not address:
        raise UsageError("the address of the system is missing", "give --address")
    passed = _passed_on(config, params)
    start = ["csrun_cpu"] if only else ["csrun_wse"]
    words = [
        *start,
        "python",
        "run.py",
        "--mode",
        "train",
        "--params",
        params,
        "--model_dir",
        config.output,
    ]
    if only:
        return [*words, only, *passed]
    words += ["--cs_ip", address]
    if job.devices not in (1, options.systems):
        raise UsageError(
            f"--devices {job.devices}, but the settings use {options.systems} systems",
            f"give -- ... --set cs.systems={job.devices}",
        )
    if options.systems > 1:
        words.append("--multireplica")
    return [*words, *passed]


# Our setting → the flag of their run.py that overrides the same in the params file.
_CSRUN_FLAGS = {"max_steps": "--max_steps", "init_checkpoint": "--checkpoint_path"}
# What the line says in its own way, or what their program has no use for.
_CSRUN_OWN = ("output", "backend", "cs.", "resume")


def _passed_on(config: PretrainConfig, params: str) -> list[str]:
    """The flags of what the command line sets beside the params file.

    Raises:
        UsageError: a setting that their program takes from the params file only.
    """
    found = translate_file(params)
    layers = found.layers() if found else [Layer(params, load_yaml(params))]
    needed = {} if any("input" in layer.values for layer in layers) else {"input": config.input}
    file_only = resolve(PretrainConfig, [Layer("", {**needed, "output": config.output}), *layers])
    before, now = (flatten(as_dict(item)) for item in (file_only.config, config))
    changed = [name for name in now if now[name] != before[name]]
    changed = [name for name in changed if not name.startswith(_CSRUN_OWN)]
    lost = [name for name in changed if name not in _CSRUN_FLAGS]
    if lost:
        raise UsageError(
            f"their run.py has no flag for {', '.join(lost)}", f"set it in {params} itself"
        )
    return [word for name in changed for word in (_CSRUN_FLAGS[name], str(now[name]))]


def slurm(
    job: Job,
    *,
    hours: int = 24,
    partition: str = "",
    cpu: str = "",
    max_restarts: int = 0,
    cpu_binding: str = "",
) -> str:
    """A batch script: one torchrun per node; queued again where time ran out before the end.

    Args:
        job: what to start.
        hours: time limit.
        partition: of the cluster; empty for its default.
        cpu: cores of a node; empty: all of a node whose devices are all used, else Slurm's default.
        max_restarts: see `torchrun`.
        cpu_binding: see `torchrun`.

    Raises:
        UsageError: cores near devices that are no GPUs.
    """
    row = registry.row(job.backend)
    # The one task of a node starts all processes: Slurm would give it one core.
    whole = job.per_node >= row.devices_per_node > 1
    cores = [f"#SBATCH --cpus-per-task={cpu}"] if cpu else ["#SBATCH --exclusive"] * whole
    extra = "".join(f"{word} " for word in _elastic(job, max_restarts, cpu_binding))
    kind = row.slurm_resource
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={job.name}",
        f"#SBATCH --nodes={job.nodes}",
        "#SBATCH --ntasks-per-node=1",
        *([f"#SBATCH --gres={kind}:{job.per_node}"] if kind else []),
        *cores,
        *([f"#SBATCH --partition={partition}"] if partition else []),
        f"#SBATCH --time={hours}:00:00",
        "#SBATCH --signal=B:TERM@120",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        *(f"export {name}={shlex.quote(value)}" for name, value in job.environment.items()),
        "# Two minutes before the time is up, bertkit is told to save and to stop.",
        "again=",
        'stop() { again=1; scancel --signal=TERM "$SLURM_JOB_ID"; }',
        "trap stop TERM",
        'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        # Its cores are divided by torchrun and the processes, not by Slurm.
        f"srun --cpu-bind=none torchrun --nnodes {job.nodes} --nproc-per-node {job.per_node} \\",
        f'  --rdzv-backend c10d --rdzv-endpoint "$first:{PORT}" --rdzv-id "$SLURM_JOB_ID" \\',
        f"  {extra}--module {text(job.command)} &",
        'wait "$!"',
        "status=$?",
        'if [ -n "$again" ]; then',
        "  # The signal ended the first wait; this one lets the checkpoint be written.",
        '  wait "$!"',
        '  scontrol requeue "$SLURM_JOB_ID"',
        "fi",
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def text(words: Sequence[str]) -> str:
    """Words as one shell line; `$NAME` and `${NAME}` stay variables, all else is literal."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    variables = list(_VARIABLE.finditer(word))
    if not variables:
        return shlex.quote(word)
    rest = _VARIABLE.sub("", word)
    if _SAFE.fullmatch(rest):
        return word
    # Nothing means anything in single quotes, not even `!` in a shell that is typed into.
    ends = [0, *(match.end() for match in variables)]
    starts = [*(match.start() for match in variables), len(word)]
    parts = [shlex.quote(word[a:b]) if a < b else "" for a, b in zip(ends, starts, strict=True)]
    names = [*(f'"{match[0]}"' for match in variables), ""]
    return "".join(itertools.chain(*zip(parts, names, strict=True)))


def _environment(job: Job) -> list[str]:
    return ["env", *(f"{k}={v}" for k, v in job.environment.items())] if job.environment else []
