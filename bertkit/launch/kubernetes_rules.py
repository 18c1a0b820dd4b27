"""Checks Kubernetes documents against their schemas and against rules no schema covers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from bertkit.backends import registry
from bertkit.errors import ConfigError
from bertkit.external_configs import habana
from bertkit.launch.mpijob_schema import MPI_JOB
from bertkit.optional import require

KUBERNETES = "1.30"
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NP = re.compile(r"mpirun\b[^;&|]*?\s-(?:np|n)\s+(\d+)")
_PPR = re.compile(r"ppr:(\d+):socket")
_SOCKETS = 2
# (learning rate, steps) of the published recipes of BERT-large → sequences per step.
_RECIPES = {(0.006, 7038): 65_536, (0.004, 1563): 32_768}


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
        return found or [*_pod_problems(document["spec"], "Pod")]
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


def _pod_problems(spec: Mapping[str, Any], where: str) -> Iterator[str]:
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
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
    if not _NAME.fullmatch(last) or len(last) > 63:
        yield f"{last!r} is no DNS label (a-z, 0-9 and -, at most 63)"
    for role, replica in (("Launcher", launcher), ("Worker", worker)):
        yield from _pod_problems(replica["template"]["spec"], role)
    yield from _card_problems(spec, launcher, worker, count)


def _card_problems(
    spec: Mapping[str, Any], launcher: Mapping[str, Any], worker: Mapping[str, Any], count: int
) -> Iterator[str]:
    limits = worker["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
    cards = next((int(limits[name]) for name in _cards() if name in limits), 0)
    slots = spec.get("slotsPerWorker", 1)
    if cards != slots:
        yield f"slotsPerWorker is {slots}, a worker has {cards} cards"
    script = _script(launcher)
    started = [int(number) for number in _NP.findall(script)]
    if started and started[-1] != count * slots:
        yield f"mpirun starts {started[-1]} processes, the workers have {count} x {slots} slots"
    each = _PPR.search(script)
    if each and int(each[1]) * _SOCKETS != slots:
        yield f"ppr:{each[1]}:socket on {_SOCKETS} sockets are not {slots} slots"
    yield from _batch_problems(script)


def _script(replica: Mapping[str, Any]) -> str:
    container = replica["template"]["spec"]["containers"][0]
    return " ".join([*container.get("command", []), *container.get("args", [])])


def _batch_problems(script: str) -> Iterator[str]:
    """A per-card batch that was not divided when the cards became more."""
    if habana.recognises(script):
        values = habana.read("the job", script).values
    else:
        values = _own_settings(script)
    rate = values.get("learning_rate"), values.get("max_steps")
    wanted, given = _RECIPES.get(rate), values.get("global_batch_size")  # type: ignore[arg-type]
    if wanted and given and given != wanted:
        factor = given / wanted
        yield (
            f"a step has {given:,} sequences, {factor:g} times the {wanted:,} of this recipe"
            f" (learning rate {rate[0]}, {rate[1]} steps): divide the batch of a card by"
            f" {factor:g}"
        )


def _own_settings(script: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in (("learning_rate", float), ("max_steps", int), ("global_batch_size", int)):
        match = re.search(rf"--{name.replace('_', '[-_]')}[= ](\S+)", script)
        if match:
            found[name] = kind(match[1])
    return found


def _cards() -> list[str]:
    """The container resources that are devices."""
    rows = registry.backends().values()
    return [row.container_resource for row in rows if row.container_resource]
