"""Checks Kubernetes documents against their schemas and against rules no schema covers."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertkit.backends import registry
from bertkit.configuration.config import flatten, load_preset
from bertkit.errors import ConfigError
from bertkit.external_configs import jobs
from bertkit.external_configs.habana import pretraining as habana
from bertkit.launch.mpijob_schema import MPI_JOB
from bertkit.optional import require

KUBERNETES = "1.30"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NO_LABEL = "is no DNS label (a-z, 0-9 and -, at most 63)"
_PPR = re.compile(r"ppr:(\d+):socket")
_SOCKETS = 2
# Learning rate, length and steps of the published recipes of BERT-large, and sequences per step.
_RECIPES = ((0.006, 128, 7038, 65_536), (0.004, 512, 1563, 32_768))
# Our flag → its other spelling, of the settings that tell a recipe.
_FLAGS = {"learning_rate": "lr", "max_steps": "max_steps", "global_batch_size": "gbs",
          "records.max_seq_length": "msl"}  # fmt: skip


def check(document: Mapping[str, Any], source: str) -> None:
    """Refuse a document that a cluster would refuse, or that trains something else.

    Raises:
        ConfigError: lists everything that is wrong with it.
        MissingDependencyError: the schemas are not installed.
    """
    found = list(problems(document))
    if found:
        raise ConfigError(f"{source}: {'; '.join(found)}", "correct the document before it runs")


def problems(document: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a Pod or an MPIJob, one text each."""
    kind = document.get("kind")
    if kind == "Pod":
        found = _schema_problems(document)
        return found or [*_name_problems(document, "name"), *_pod_problems(document["spec"], "Pod")]
    if kind != "MPIJob":
        return [f"kind {kind!r} is neither Pod nor MPIJob"]
    found = _job_schema_problems(document)
    return found or [*_job_problems(document)]


def _schema_problems(pod: Mapping[str, Any], where: str = "") -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kubernetes_validate = require(
            "kubernetes_validate", "checking Kubernetes documents", extra="kubernetes"
        )
    try:
        kubernetes_validate.validate(dict(pod), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(part) for part in error.path)
        return [f"{where}{place}: {error.message}"]
    return []


def _job_schema_problems(document: Mapping[str, Any]) -> list[str]:
    jsonschema = require("jsonschema", "checking an MPIJob", extra="kubernetes")
    found = [
        f"{'.'.join(str(part) for part in error.path)}: {error.message}"
        for error in jsonschema.Draft202012Validator(MPI_JOB).iter_errors(document)
    ]
    if found:
        return found
    for role, replica in document["spec"]["mpiReplicaSpecs"].items():
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "template"},
            "spec": replica["template"]["spec"],
        }
        found += _schema_problems(pod, f"{role}: ")
    return found


def _name_problems(document: Mapping[str, Any], *keys: str) -> Iterator[str]:
    """Names that a cluster refuses, which no schema covers; the namespace, and `keys`."""
    for key in (*keys, "namespace"):
        value = document["metadata"].get(key)
        if value is not None and not _is_label(value):
            yield f"{key} {value!r} {_NO_LABEL}"


def _is_label(name: Any) -> bool:
    return _LABEL.fullmatch(str(name)) is not None and len(str(name)) <= 63


def _pod_problems(spec: Mapping[str, Any], where: str) -> Iterator[str]:
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for item in (*spec.get("volumes", []), *spec["containers"]):
        if not _is_label(item["name"]):
            yield f"{where}: {item['name']!r} {_NO_LABEL}"
    for container in spec["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{where}: {container['name']} mounts {mount['name']}, which is not a volume"
        resources = container.get("resources", {})
        yield from _resource_problems(
            resources.get("limits", {}), resources.get("requests", {}), where
        )


def _resource_problems(
    limits: Mapping[str, Any], requests: Mapping[str, Any], where: str
) -> Iterator[str]:
    for name in sorted({*limits, *requests}):
        # Huge pages and devices cannot be overcommitted.
        exact = name.startswith("hugepages-") or name in _cards()
        if exact and name in requests and limits.get(name) != requests[name]:
            yield (
                f"{where}: {name} requests {requests[name]}, its limit is {limits.get(name)};"
                " both must be the same"
            )
        if exact and name not in limits:
            yield f"{where}: {name} has no limit"
    pages = [name for name in limits if name.startswith("hugepages-")]
    if pages and not ({"cpu", "memory"} & {*limits, *requests}):
        yield f"{where}: {pages[0]} needs cpu or memory beside it"


def _job_problems(document: Mapping[str, Any]) -> Iterator[str]:
    spec = document["spec"]
    launcher, worker = (spec["mpiReplicaSpecs"].get(role) for role in ("Launcher", "Worker"))
    if launcher.get("replicas", 1) != 1:
        yield f"Launcher has {launcher['replicas']} replicas; there must be one"
    if worker is None or worker.get("replicas", 0) < 1:
        yield "there is no Worker"
        return
    name, count = document["metadata"]["name"], worker["replicas"]
    last = f"{name}-worker-{count - 1}"
    if not _is_label(last) or not last[0].isalpha():  # a Service has its name too
        yield f"{last!r} {_NO_LABEL}"
    for role, replica in (("Launcher", launcher), ("Worker", worker)):
        yield from _pod_problems(replica["template"]["spec"], role)
    yield from _name_problems(document)
    yield from _card_problems(spec, launcher, worker, count)
    try:
        yield from _batch_problems(document)
    except ConfigError as error:
        yield str(error)


def _card_problems(
    spec: Mapping[str, Any], launcher: Mapping[str, Any], worker: Mapping[str, Any], count: int
) -> Iterator[str]:
    limits = worker["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
    cards = next((int(limits[name]) for name in _cards() if name in limits), 0)
    slots = spec.get("slotsPerWorker", 1)
    if cards != slots:
        yield f"slotsPerWorker is {slots}, a worker has {cards} cards"
    try:
        commands = jobs.commands_of_document(launcher)
    except ConfigError as error:
        yield f"Launcher: its script is not shell ({error})"
        return
    started = [number for number in map(jobs.mpi_processes, commands) if number is not None]
    if started and started[-1] != count * slots:
        yield f"mpirun starts {started[-1]} processes, the workers have {count} x {slots} slots"
    each = [match for item in commands for match in _PPR.findall(" ".join(item.words))]
    if each and int(each[-1]) * _SOCKETS != slots:
        yield f"ppr:{each[-1]}:socket on {_SOCKETS} sockets are not {slots} slots"


def _batch_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """A per-card batch that was not divided when the cards became more."""
    for command in jobs.of_document(document):
        yield from _recipe_problems(habana.translated("the job", command).all_values())
    for item in jobs.commands_of_document(document["spec"]["mpiReplicaSpecs"]["Launcher"]):
        if "bertkit" in item.words:
            yield from _recipe_problems(_own_settings(item.words))


def _recipe_problems(values: Mapping[str, Any]) -> Iterator[str]:
    given = values.get("global_batch_size")
    for rate, length, steps, wanted in _RECIPES:
        known = values.get("max_steps") == steps or values.get("records.max_seq_length") == length
        if given and given != wanted and known and values.get("learning_rate") == rate:
            more = given > wanted
            factor = given / wanted if more else wanted / given
            yield (
                f"a step has {given:,} sequences, {given / wanted:g} times the {wanted:,} of this"
                f" recipe (learning rate {rate}, length {length}, {steps:,} steps):"
                f" {'divide' if more else 'multiply'} the batch of a card by {factor:g}"
            )


def _own_settings(words: Sequence[str]) -> dict[str, Any]:
    """What a command line of ours says about the recipe, by a preset or by flags."""
    found: dict[str, Any] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        flag, equals, value = word.lstrip("-").replace("-", "_").partition("=")
        value = word.partition("=")[2] if equals else following
        if word.startswith("--preset"):
            found = {**flatten(load_preset(value)), **found}
        for name, short in _FLAGS.items():
            if word.startswith("--") and flag in (name.rpartition(".")[2], short):
                with contextlib.suppress(ValueError):  # the command itself will say it
                    found[name] = float(value)
    return {name: found[name] for name in _FLAGS if name in found}


def _cards() -> list[str]:
    """The container resources that are devices."""
    rows = registry.backends().values()
    return [name for row in rows for name in (row.container_resource, *row.more_resources) if name]
