"""From a command and its devices to the text that starts it: the work behind `launch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertkit.config import dump_yaml
from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.files import open_binary, write_text
from bertkit.launch import command_lines, kubernetes, kubernetes_rules
from bertkit.launch.job import Job, make_job


def plan(
    kind: str,
    words: Sequence[str],
    backend: str = "",
    devices: int = 1,
    per_node: int = 0,
    name: str = "bertkit",
    env: Sequence[str] = (),
    output: str = "",
    **more: Any,
) -> str:
    """The command line, script or document of a job; written to `output` where that is given.

    Args:
        kind: torchrun, mpirun, poprun, csrun, kubernetes or slurm.
        words: the bertkit command.
        backend: the machine; empty for the one that the kind or the command names.
        devices: in all.
        per_node: of one node; 0 for the usual number.
        name: of the job.
        env: NAME=VALUE for every process.
        output: file to write; empty for none.
        more: what the kind alone takes; see `bertkit launch --help`.

    Raises:
        UsageError: something is missing or does not fit.
        ConfigError: settings or the document contradict each other.
    """
    machine = backend or {"mpirun": "hpu", "poprun": "ipu", "csrun": "cs"}.get(kind, "")
    job = make_job(words, machine, devices, per_node, name, _pairs(env))
    text = _text(kind, job, words, more)
    if output:
        write_text(output, text)
    return text


def check_files(names: Sequence[str]) -> list[str]:
    """Check the Kubernetes documents in files, several in one file as well.

    Raises:
        UsageError: no file.
        DataError: not YAML.
        ConfigError: what is wrong with the documents of one file.
    """
    import yaml

    if not names:
        raise UsageError("no document to check", "example: bertkit launch check job.yaml")
    for name in names:
        with open_binary(name) as stream:
            try:
                documents = [item for item in yaml.safe_load_all(stream.read()) if item]
            except yaml.YAMLError as error:
                raise DataError(f"{name}: not YAML: {getattr(error, 'problem', error)}") from error
        if not documents or not all(isinstance(item, dict) for item in documents):
            raise ConfigError(f"{name}: holds no document")
        for document in documents:
            kubernetes_rules.check(document, name)
    return list(names)


def _text(kind: str, job: Job, words: Sequence[str], more: dict[str, Any]) -> str:
    if kind == "torchrun":
        return command_lines.text(command_lines.torchrun(job, more.get("rendezvous", ""))) + "\n"
    if kind == "mpirun":
        return command_lines.text(command_lines.mpirun(job)) + "\n"
    if kind == "poprun":
        return command_lines.text(command_lines.poprun(job, more.get("instances", 1))) + "\n"
    if kind == "csrun":
        return (
            command_lines.text(command_lines.csrun(job, more.get("address", ""), _params(words)))
            + "\n"
        )
    if kind == "slurm":
        return command_lines.slurm(job, more.get("hours", 24), more.get("partition", ""))
    if kind != "kubernetes":
        raise UsageError(f"no launcher {kind!r}")
    if not more.get("image"):
        raise UsageError("a Kubernetes document needs --image", "an image with bertkit in it")
    cluster = kubernetes.Cluster(
        more["image"], more.get("namespace", "default"), tuple(more.get("mount", ())),
        more.get("cpu", ""), more.get("memory", ""), setup=more.get("setup", ""),
    )  # fmt: skip
    document = kubernetes.document(job, cluster)
    kubernetes_rules.check(document, job.name)
    return dump_yaml(document)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--env {text} is not NAME=VALUE")
        found[name] = value
    return found


def _params(words: Sequence[str]) -> str:
    for first, second in zip(words, [*words[1:], ""], strict=True):
        if first == "--config":
            return second
        if first.startswith("--config="):
            return first.partition("=")[2]
    return ""
