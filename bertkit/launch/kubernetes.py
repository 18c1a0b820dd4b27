"""Builds Kubernetes documents: a Pod for one card or for data, an MPIJob for several cards."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.backends import registry
from bertkit.errors import UsageError
from bertkit.external_configs.shell import commands
from bertkit.launch import command_lines
from bertkit.launch.job import Job

# What one worker of so many Gaudi cards gets, as in Habana's recipes.
_GAUDI = {1: ("12", "32Gi"), 8: ("95", "409Gi")}
_HUGE_PAGES = "95000Mi"


@dataclass(frozen=True)
class Cluster:
    """What the documents need to know of a cluster.

    Attributes:
        image: container image with bertkit and the machine's software.
        namespace: of the job.
        mounts: HOST:CONTAINER, folders of the nodes.
        cpu: cores of a container; empty for the usual ones.
        memory: of a container, such as 64Gi; empty for the usual one.
        huge_pages: of 2 MiB, such as 95000Mi; empty for the usual ones.
        setup: shell commands that every worker runs first.
        claims: CLAIM:CONTAINER, persistent volume claims of the namespace.
        shm: size of /dev/shm, such as 16Gi; empty: without a limit of its own for several devices
            of a Pod, else what the cluster gives, usually 64 MiB.
        node_selector: KEY=VALUE, labels that a node must have.
        resource: what a container asks for its devices, such as amd.com/gpu; empty: the backend's.
    """

    image: str
    namespace: str = "default"
    mounts: Sequence[str] = field(default_factory=tuple)
    cpu: str = ""
    memory: str = ""
    huge_pages: str = ""
    setup: str = ""
    claims: Sequence[str] = field(default_factory=tuple)
    shm: str = ""
    node_selector: Sequence[str] = field(default_factory=tuple)
    resource: str = ""


def document(job: Job, cluster: Cluster) -> dict[str, Any]:
    """The document of a job: an MPIJob for several Gaudi cards, else a Pod.

    Raises:
        UsageError: several nodes of a machine that has no such job.
    """
    if job.backend == "hpu" and job.devices > 1:
        return mpi_job(job, cluster)
    if job.nodes > 1:
        raise UsageError(
            f"no Kubernetes document for {job.nodes} nodes of {job.backend}",
            "use `bertkit launch slurm` or torchrun on every node",
        )
    return pod(job, cluster)


def pod(job: Job, cluster: Cluster) -> dict[str, Any]:
    """A Pod that runs a job on one node."""
    words = command_lines.torchrun(job) if job.devices > 1 else job.command
    # Worker processes pass batches through shared memory, NCCL its buffers.
    shared = cluster.shm != "" or job.per_node > 1
    setup = [_braced(cluster.setup)] if cluster.setup else []
    script = _script([*setup, command_lines.text(words)])
    container = _container("main", cluster, script, shared)
    container["resources"] = _resources(job, cluster)
    if job.environment:
        container["env"] = [
            {"name": name, "value": _literal(value)} for name, value in job.environment.items()
        ]
    places = _places(cluster, shared)
    spec = {"restartPolicy": "Never", **places, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(job, cluster), "spec": spec}


def mpi_job(job: Job, cluster: Cluster) -> dict[str, Any]:
    """An MPIJob, kubeflow.org/v2beta1: a launcher without cards, and workers with them."""
    start = [
        "HOSTSFILE=$OMPI_MCA_orte_default_hostfile",
        "MASTER_ADDR=$(head -n 1 $HOSTSFILE | sed -n 's/[[:space:]]slots.*//p')",
    ]
    if cluster.setup:
        # One shell per worker, which runs all of the commands and expands what they name.
        setup = f"bash -c {shlex.quote(_checked(cluster.setup))}"
        exported = "".join(f" -x {shlex.quote(f'{k}={v}')}" for k, v in job.environment.items())
        options = f"--npernode 1 --allow-run-as-root --prefix $MPI_ROOT{exported}"
        start.append(f"mpirun {options} {setup}")
    start.append(command_lines.text(command_lines.mpirun(job)))
    launcher = _container("launcher", cluster, _script(start), cluster.shm != "")
    worker = _container("worker", cluster, [], cluster.shm != "")
    worker["resources"] = _resources(job, cluster)
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": _metadata(job, cluster),
        "spec": {
            "slotsPerWorker": job.per_node,
            "runPolicy": {"cleanPodPolicy": "Running"},
            "mpiReplicaSpecs": {
                "Launcher": _replica(1, cluster, launcher),
                "Worker": _replica(job.nodes, cluster, worker),
            },
        },
    }


def _metadata(job: Job, cluster: Cluster) -> dict[str, Any]:
    return {"name": job.name, "namespace": cluster.namespace}


def _replica(count: int, cluster: Cluster, container: Mapping[str, Any]) -> dict[str, Any]:
    # With the node's shared memory, as Habana's recipes have it, unless a size is asked for.
    places = _places(cluster, cluster.shm != "")
    spec = {"hostIPC": True, **places, "containers": [dict(container)]}
    return {"replicas": count, "template": {"spec": spec}}


def _places(cluster: Cluster, shared: bool = False) -> dict[str, Any]:
    """The volumes, and the nodes that may be taken."""
    volumes: list[dict[str, Any]] = [
        {"name": f"data-{index}", "hostPath": {"path": host, "type": "Directory"}}
        for index, (host, _) in enumerate(_pairs(cluster.mounts))
    ]
    volumes += [
        {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim}}
        for index, (claim, _) in enumerate(_claims(cluster.claims))
    ]
    volumes.append({"name": "scratch", "emptyDir": {}})
    if shared:
        size = {"sizeLimit": cluster.shm} if cluster.shm else {}
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", **size}})
    labels = _labels(cluster.node_selector)
    return {**({"nodeSelector": labels} if labels else {}), "volumes": volumes}


def _container(
    name: str, cluster: Cluster, script: Sequence[str], shared: bool = False
) -> dict[str, Any]:
    mounts = [
        {"name": f"data-{index}", "mountPath": inside}
        for index, (_, inside) in enumerate(_pairs(cluster.mounts))
    ]
    mounts += [
        {"name": f"claim-{index}", "mountPath": inside}
        for index, (_, inside) in enumerate(_claims(cluster.claims))
    ]
    mounts.append({"name": "scratch", "mountPath": "/scratch"})
    if shared:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    container: dict[str, Any] = {"name": name, "image": cluster.image}
    if script:
        container |= {"command": ["/bin/bash", "-c"], "args": list(script)}
    container["volumeMounts"] = mounts
    return container


def _script(commands: Sequence[str]) -> list[str]:
    """One argument: a folded block would break lines that end with a backslash."""
    return [_literal(" && ".join(commands))]


def _literal(text: str) -> str:
    """A text in which Kubernetes replaces nothing: `$(NAME)` and `$$` mean something to it."""
    if not re.search(r"\$\$|\$\([A-Za-z_][\w.-]*\)", text):
        return text
    # Then everywhere: in `$(a $(B))` Kubernetes looks for a variable of the name `a $(B`.
    return re.sub(r"\$(?=[$(])", "$$", text)


def _checked(setup: str) -> str:
    """Shell commands, without what would end in an empty one.

    Raises:
        UsageError: a quote in them does not end.
    """
    try:
        commands(setup)
    except ValueError as error:
        raise UsageError(f"--setup: {error}", "give whole shell commands") from error
    return setup.strip().rstrip(";").strip()


def _braced(setup: str) -> str:
    """Shell commands as one that fails where they fail; what they set stays set."""
    setup = _checked(setup)
    simple = not re.search(r"[;|&#\n]", re.sub(r"&&", "", setup))
    return setup if simple else f"{{ {setup}\n}}"


def _pairs(mounts: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for mount in mounts:
        host, colon, inside = mount.partition(":")
        if not (colon and host.startswith("/") and inside.startswith("/")):
            raise UsageError(f"--mount {mount} is not /HOST:/CONTAINER")
        found.append((host, inside))
    return found


def _claims(claims: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for claim in claims:
        name, colon, inside = claim.partition(":")
        if not (colon and re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name)):
            raise UsageError(f"--pvc {claim} is not CLAIM:/CONTAINER")
        if not inside.startswith("/"):
            raise UsageError(f"--pvc {claim} is not CLAIM:/CONTAINER")
        found.append((name, inside))
    return found


def _labels(selector: Sequence[str]) -> dict[str, str]:
    found = {}
    for label in selector:
        key, equals, value = label.partition("=")
        if not (equals and re.fullmatch(r"[A-Za-z0-9]([\w./-]*[A-Za-z0-9])?", key)):
            raise UsageError(f"--node-selector {label} is not KEY=VALUE")
        found[key] = value
    return found


def _resources(job: Job, cluster: Cluster) -> dict[str, Any]:
    """Requests equal limits: huge pages cannot be overcommitted."""
    cards = job.per_node
    cpu, memory = _GAUDI.get(cards, (str(12 * cards), f"{50 * cards}Gi"))
    amounts: dict[str, Any] = {"cpu": cluster.cpu or cpu, "memory": cluster.memory or memory}
    row = registry.row(job.backend)
    known = (row.container_resource, *row.more_resources)
    resource = cluster.resource or row.container_resource
    if resource not in known and row.container_resource:
        raise UsageError(
            f"--resource {resource} is not a resource of backend {job.backend}",
            f"it asks for {' or '.join(known)}",
        )
    if resource:
        amounts = {resource: cards, **amounts}
    if job.backend == "hpu" or cluster.huge_pages:
        amounts["hugepages-2Mi"] = cluster.huge_pages or _HUGE_PAGES
    return {"limits": dict(amounts), "requests": dict(amounts)}
