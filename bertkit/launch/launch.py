"""`bertkit launch`: builds the text that starts a command on the given devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.backends import registry
from bertkit.codecs.safe_yaml import parse_all
from bertkit.configuration.config import dump_yaml
from bertkit.errors import ConfigError, UsageError
from bertkit.launch import command_lines, kubernetes, kubernetes_rules
from bertkit.launch.job import Job, make_job
from bertkit.storage.files import open_binary, write_text


@dataclass(frozen=True)
class Details:
    """What single kinds of launchers take; see `bertkit launch --help`.

    Attributes:
        rendezvous: torchrun: HOST:PORT of one of several nodes.
        instances: poprun: host processes.
        address: csrun: of the system.
        image: kubernetes: the container's.
        namespace: kubernetes: of the job.
        mount: kubernetes: /HOST:/CONTAINER, each.
        cpu: kubernetes: cores of a container; slurm: of a node.
        memory: kubernetes: of a container.
        setup: kubernetes: shell commands that every node runs first.
        huge_pages: kubernetes: of 2 MiB, per container.
        pvc: kubernetes: CLAIM:/CONTAINER, each.
        shm: kubernetes: size of /dev/shm of a Pod.
        node_selector: kubernetes: KEY=VALUE, each.
        resource: kubernetes: what a container asks for its devices; empty: the backend's.
        hours: slurm: time limit.
        partition: slurm: of the cluster.
        max_restarts: torchrun, slurm: restarts after an error.
        cpu_binding: torchrun, slurm: cores of a process, one of `CPU_BINDINGS`.
    """

    rendezvous: str = ""
    instances: int = 1
    address: str = ""
    image: str = ""
    namespace: str = "default"
    mount: Sequence[str] = ()
    cpu: str = ""
    memory: str = ""
    setup: str = ""
    huge_pages: str = ""
    pvc: Sequence[str] = ()
    shm: str = ""
    node_selector: Sequence[str] = ()
    resource: str = ""
    hours: int = 24
    partition: str = ""
    max_restarts: int = 0
    cpu_binding: str | None = None


def plan(
    kind: str,
    words: Sequence[str],
    *,
    settings: Any = None,
    backend: str = "",
    devices: int = 1,
    per_node: int = 0,
    name: str = "bertkit",
    env: Sequence[str] = (),
    output: str = "",
    overwrite: bool = False,
    **details: Any,
) -> str:
    """The command line, script or document of a job; written to `output` where that is given.

    Args:
        kind: one of `LAUNCHERS`.
        words: the bertkit command.
        settings: what the words set, see `bertkit.launch.job.Job`.
        backend: its name; empty for the one that the kind or the command names.
        devices: in all.
        per_node: of one node; 0 for the usual number.
        name: of the job.
        env: NAME=VALUE for every process.
        output: file to write; empty for none.
        overwrite: replace a file with other text, which somebody may have changed by hand.
        details: fields of `Details`.

    Raises:
        UsageError: something is missing or does not fit.
        ConfigError: settings or the document contradict each other; the file is there already.
    """
    if kind not in LAUNCHERS:
        raise UsageError(f"no launcher {kind!r}", f"launchers: {', '.join(LAUNCHERS)}")
    job = make_job(
        words,
        backend=backend or registry.only_with_launcher(kind),
        devices=devices,
        per_node=per_node,
        name=name,
        settings=settings,
        environment=_environment(env),
    )
    _require_launcher(kind, job.backend)
    text = LAUNCHERS[kind](job, Details(**details))
    if output:
        _write(output, text, overwrite)
    return text


def _require_launcher(kind: str, backend: str) -> None:
    """Refuse a program whose processes would not find each other on this backend."""
    known = registry.row(backend).launchers  # empty: another package's backend does not say
    program = "torchrun" if kind == "slurm" else kind
    if kind != "kubernetes" and known and program not in known:
        raise UsageError(
            f"{kind} does not start --backend {backend}: its processes would not know of each"
            " other",
            f"give: bertkit launch {known[-1]}",
        )


def _write(output: str, text: str, overwrite: bool) -> None:
    there = Path(output)
    if not overwrite and there.is_file() and there.read_bytes() != text.encode():
        raise ConfigError(
            f"{output} is there already, with other text",
            "give --overwrite to replace it, or another --output",
        )
    write_text(output, text)


def check_files(names: Sequence[str]) -> list[str]:
    """Check the Kubernetes documents in files, several in one file as well.

    Raises:
        UsageError: no file.
        ConfigError: not YAML; or what is wrong with the documents of one file.
    """
    if not names:
        raise UsageError("no document to check", "example: bertkit launch check job.yaml")
    for name in names:
        with open_binary(name) as stream:
            documents = [item for item in parse_all(stream.read(), name) if item]
        if not documents or not all(isinstance(item, dict) for item in documents):
            raise ConfigError(f"{name}: holds no document")
        for document in documents:
            kubernetes_rules.check(document, name)
    return list(names)


def _torchrun(job: Job, details: Details) -> str:
    return _line(
        command_lines.torchrun(
            job, details.rendezvous, details.max_restarts, details.cpu_binding or ""
        )
    )


def _mpirun(job: Job, details: Details) -> str:
    return _line(command_lines.mpirun(job))


def _poprun(job: Job, details: Details) -> str:
    return _line(command_lines.poprun(job, details.instances))


def _csrun(job: Job, details: Details) -> str:
    return _line(command_lines.csrun(job, details.address, _config_file(job.words)))


def _slurm(job: Job, details: Details) -> str:
    # Both stand in lines that Slurm reads itself, where nothing can be quoted.
    for flag, word in (("--name", job.name), ("--partition", details.partition)):
        if not re.fullmatch(r"[\w.,@+-]*", word):
            raise UsageError(f"{flag} {word!r}: only letters, digits and . , @ + - _ can be used")
    if details.cpu and not details.cpu.isdecimal():
        raise UsageError(f"--cpu {details.cpu!r}: Slurm counts whole cores", "such as --cpu 96")
    return command_lines.slurm(
        job,
        hours=details.hours,
        partition=details.partition,
        cpu=details.cpu,
        max_restarts=details.max_restarts,
        cpu_binding=details.cpu_binding or "",
    )


def _kubernetes(job: Job, details: Details) -> str:
    if not details.image:
        raise UsageError("a Kubernetes document needs --image", "an image with bertkit in it")
    cluster = kubernetes.Cluster(
        image=details.image,
        namespace=details.namespace,
        mounts=tuple(details.mount),
        cpu=details.cpu,
        memory=details.memory,
        huge_pages=details.huge_pages,
        setup=details.setup,
        claims=tuple(details.pvc),
        shm=details.shm,
        node_selector=tuple(details.node_selector),
        resource=details.resource,
    )
    document = kubernetes.document(job, cluster)
    kubernetes_rules.check(document, job.name)
    return dump_yaml(document)


# Kind of launcher → what makes its text.
LAUNCHERS: dict[str, Callable[[Job, Details], str]] = {
    "torchrun": _torchrun,
    "mpirun": _mpirun,
    "poprun": _poprun,
    "csrun": _csrun,
    "kubernetes": _kubernetes,
    "slurm": _slurm,
}


def _line(words: Sequence[str]) -> str:
    return command_lines.text(words) + "\n"


def _environment(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            raise UsageError(f"--env {text} is not NAME=VALUE")
        found[name] = value
    return found


def _config_file(words: Sequence[str]) -> str:
    """The file that `--config` names; empty without one."""
    for first, second in zip(words, [*words[1:], ""], strict=True):
        if first == "--config":
            return second
        if first.startswith("--config="):
            return first.partition("=")[2]
    return ""
