"""Documents for a cluster: what they hold, and that they pass the checks."""

from __future__ import annotations

import pytest

from bertkit.errors import UsageError
from bertkit.launch import kubernetes_rules
from launch.planned import TRAIN, kubernetes


@pytest.mark.parametrize("cards", [8, 32])
def test_mpi_job_fits(cards):
    job = kubernetes(devices=cards)
    assert kubernetes_rules.problems(job) == []
    spec = job["spec"]
    worker = spec["mpiReplicaSpecs"]["Worker"]
    assert (spec["slotsPerWorker"], worker["replicas"]) == (8, cards // 8)
    limits = worker["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["habana.ai/gaudi"] == 8 and limits["hugepages-2Mi"] == "95000Mi"
    (script,) = spec["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["args"]
    assert f"-np {cards} " in script and "\n" not in script and "$MASTER_ADDR" in script


@pytest.mark.parametrize(
    "words",
    [
        TRAIN,
        ("finetune-squad", "--train-file", "t.json", "--output", "o"),
        ("finetune-squad", "--predict-file", "d.json", "--init-checkpoint", "c", "--output", "o"),
        ("make-records", "--input", "x", "--output", "y", "--vocab", "v"),
    ],
)
def test_one_card_or_data_is_a_pod(words):
    pod = kubernetes(words, devices=1, backend="hpu" if words[0] != "make-records" else "cpu")
    assert pod["kind"] == "Pod" and kubernetes_rules.problems(pod) == []
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert ("habana.ai/gaudi" in limits) == (words[0] != "make-records")


def test_places_and_resources_can_be_chosen():
    pod = kubernetes(devices=2, backend="cuda", cpu="7", memory="9Gi", setup="mount -a")
    (container,) = pod["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": 2, "cpu": "7", "memory": "9Gi"}
    assert container["args"][0].startswith("mount -a && torchrun ")
    assert {"name": "data-0", "mountPath": "/data"} in container["volumeMounts"]
    with pytest.raises(UsageError, match="--mount d:/data"):
        kubernetes(mount=("d:/data",))
    with pytest.raises(UsageError, match="no Kubernetes document for 2 nodes of cuda"):
        kubernetes(devices=16, backend="cuda")
