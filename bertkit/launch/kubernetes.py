"""Builds Kubernetes documents: a Pod for one card or for data, an MPIJob for several cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.backends import registry
from bertkit.errors import UsageError
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
        setup: a shell command that every worker runs first.
    """

    image: str
    namespace: str = "default"
    mounts: Sequence[str] = field(default_factory=tuple)
    cpu: str = ""
    memory: str = ""
    huge_pages: str = ""
    setup: str = ""


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
    container = _container("main", cluster, _script([command_lines.text(words)], cluster.setup))
    container["resources"] = _resources(job, cluster)
    if job.environment:
        container["env"] = [{"name": k, "value": v} for k, v in job.environment.items()]
    spec = {"restartPolicy": "Never", **_places(cluster), "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(job, cluster), "spec": spec}


def mpi_job(job: Job, cluster: Cluster) -> dict[str, Any]:
    """An MPIJob, kubeflow.org/v2beta1: a launcher without cards, and workers with them."""
    start = [
        "HOSTSFILE=$OMPI_MCA_orte_default_hostfile",
        "MASTER_ADDR=$(head -n 1 $HOSTSFILE | sed -n 's/[[:space:]]slots.*//p')",
    ]
    if cluster.setup:
        start.append(f"mpirun --npernode 1 --allow-run-as-root --prefix $MPI_ROOT {cluster.setup}")
    start.append(command_lines.text(command_lines.mpirun(job)))
    launcher = _container("launcher", cluster, _script(start))
    worker = _container("worker", cluster, [])
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
    spec = {"hostIPC": True, **_places(cluster), "containers": [dict(container)]}
    return {"replicas": count, "template": {"spec": spec}}


def _places(cluster: Cluster) -> dict[str, Any]:
    volumes = [
        {"name": f"data-{index}", "hostPath": {"path": host, "type": "Directory"}}
        for index, (host, _) in enumerate(_pairs(cluster.mounts))
    ]
    return {"volumes": [*volumes, {"name": "scratch", "emptyDir": {}}]}


def _container(name: str, cluster: Cluster, script: Sequence[str]) -> dict[str, Any]:
    mounts = [
        {"name": f"data-{index}", "mountPath": inside}
        for index, (_, inside) in enumerate(_pairs(cluster.mounts))
    ]
    container: dict[str, Any] = {"name": name, "image": cluster.image}
    if script:
        container |= {"command": ["/bin/bash", "-c"], "args": list(script)}
    container["volumeMounts"] = [*mounts, {"name": "scratch", "mountPath": "/scratch"}]
    return container


def _script(commands: Sequence[str], setup: str = "") -> list[str]:
    """One argument on one line: a folded block would break lines that end with a backslash."""
    return [" && ".join([*([setup] if setup else []), *commands])]


def _pairs(mounts: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for mount in mounts:
        host, colon, inside = mount.partition(":")
        if not (colon and host.startswith("/") and inside.startswith("/")):
            raise UsageError(f"--mount {mount} is not /HOST:/CONTAINER")
        found.append((host, inside))
    return found


def _resources(job: Job, cluster: Cluster) -> dict[str, Any]:
    """Requests equal limits: huge pages cannot be overcommitted."""
    cards = job.per_node
    cpu, memory = _GAUDI.get(cards, (str(12 * cards), f"{50 * cards}Gi"))
    amounts: dict[str, Any] = {"cpu": cluster.cpu or cpu, "memory": cluster.memory or memory}
    resource = registry.row(job.backend).container_resource
    if resource:
        amounts = {resource: cards, **amounts}
    if job.backend == "hpu":
        amounts["hugepages-2Mi"] = cluster.huge_pages or _HUGE_PAGES
    return {"limits": dict(amounts), "requests": dict(amounts)}
