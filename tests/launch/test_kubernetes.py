"""Documents for a cluster: what they hold, and that they pass the checks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from bertkit.errors import ConfigError, UsageError
from bertkit.launch import kubernetes_rules
from launch.planned import TRAIN, as_kubernetes_reads, kubernetes, planned


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


def script_of(job):
    """The script of an MPIJob's launcher."""
    launcher = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
    return launcher["containers"][0]["args"][0]


def test_setup_runs_whole_on_every_worker(tmp_path):
    """Bash reads the launcher's script, with an mpirun that notes what it is given."""
    tool = tmp_path / "mpirun"
    tool.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    tool.chmod(0o755)
    (tmp_path / "hosts").write_text("worker-0 slots=8\n")
    setup = 'cd "/ceph/it\'s" && pip install . ; echo "$HOME" # done;'
    job = kubernetes(setup=setup, env=("A=two words",))
    assert kubernetes_rules.problems(job) == []
    done = subprocess.run(
        ["bash", "-c", script_of(job)], capture_output=True, text=True, check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "OMPI_MCA_orte_default_hostfile":
             str(tmp_path / "hosts"), "MPI_ROOT": "/mpi"},
    )  # fmt: skip
    first, second = map(json.loads, done.stdout.splitlines())
    assert first[:2] == ["--npernode", "1"] and first[-3:] == ["bash", "-c", setup.rstrip(";")]
    assert "A=two words" in first and "A=two words" in second
    assert second[:2] == ["-np", "8"] and "MASTER_ADDR=worker-0" in second


@pytest.mark.parametrize("setup", ["cd /x; true", "export A=1 # note", "true || false\ntrue;"])
def test_setup_of_a_pod_stays_in_its_shell(setup):
    (container,) = kubernetes(devices=1, setup=setup)["spec"]["containers"]
    script = container["args"][0].replace("bertkit ", "echo ran ", 1)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ran ")
    with pytest.raises(UsageError, match="--setup: line 1: the quote"):
        kubernetes(devices=1, setup="echo 'x")


def test_setup_may_nest_commands():
    setup = 'A=$(echo "$(echo $(HOME) || echo in)$$"); test -n "$A"'
    (container,) = kubernetes(devices=1, setup=setup)["spec"]["containers"]
    assert setup in as_kubernetes_reads(container["args"][0], HOME="expanded")


def test_hostile_values_stay_what_they_are(tmp_path):
    """Names that mean something to the shell, to YAML or to Kubernetes."""
    names = [
        "$(touch $(HOME))",
        "$$$(A)$",
        "100%!",
        "$(touch bad)",
        "`touch bad`",
        "a'b\"c",
        "two\nlines",
        "a;b&c|d",
        "$$(HOME)",
        "#x: y",
    ]
    words = (
        "make-records",
        "--output",
        "o",
        "--vocab",
        "v",
        *(w for n in names for w in ("-i", n)),
    )
    pod = yaml.safe_load(planned("kubernetes", words, backend="cpu", image="i"))
    assert kubernetes_rules.problems(pod) == []
    (script,) = pod["spec"]["containers"][0]["args"]
    script = as_kubernetes_reads(script, HOME="expanded")
    script = script.replace("bertkit ", "printf '%s\\0' ", 1)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0")[:-1] == list(words)
    assert list(tmp_path.iterdir()) == []


def test_gpus_of_amd_are_asked_for_by_their_own_name():
    pod = kubernetes(devices=2, backend="cuda", resource="amd.com/gpu")
    assert kubernetes_rules.problems(pod) == []
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits["amd.com/gpu"] == 2 and "nvidia.com/gpu" not in limits
    with pytest.raises(UsageError, match=r"--resource nvidia\.com/gpus is not a resource of"):
        kubernetes(devices=2, backend="cuda", resource="nvidia.com/gpus")


def test_memory_claims_and_nodes_can_be_chosen():
    pod = kubernetes(
        devices=2, backend="cuda", shm="16Gi", pvc=("data:/data", "out:/out"), mount=(),
        node_selector=("gpu=h100", "example.org/pool=a"),
    )  # fmt: skip
    assert kubernetes_rules.problems(pod) == []
    spec = pod["spec"]
    assert spec["nodeSelector"] == {"gpu": "h100", "example.org/pool": "a"}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    assert volumes["claim-1"]["persistentVolumeClaim"] == {"claimName": "out"}
    mounts = {item["name"]: item["mountPath"] for item in spec["containers"][0]["volumeMounts"]}
    assert mounts == {
        "claim-0": "/data",
        "claim-1": "/out",
        "scratch": "/scratch",
        "shm": "/dev/shm",
    }
    for wrong in ({"pvc": ("data",)}, {"pvc": ("Da ta:/x",)}, {"node_selector": ("gpu",)}):
        with pytest.raises(UsageError, match=r"is not (CLAIM:/CONTAINER|KEY=VALUE)"):
            kubernetes(**wrong)


def test_several_gpus_get_shared_memory_and_one_does_not():
    def names(devices):
        spec = kubernetes(devices=devices, backend="cuda")["spec"]
        return {volume["name"] for volume in spec["volumes"]}

    assert "shm" in names(8) and "shm" not in names(1)


def test_huge_pages_are_an_option():
    job = kubernetes(huge_pages="1Gi", shm="8Gi")
    assert kubernetes_rules.problems(job) == []
    worker = job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    assert worker["containers"][0]["resources"]["limits"]["hugepages-2Mi"] == "1Gi"
    assert {"name": "shm", "mountPath": "/dev/shm"} in worker["containers"][0]["volumeMounts"]


def test_names_that_a_cluster_refuses_are_refused():
    for given in ({"name": "Bad_Name"}, {"namespace": "no space"}):
        with pytest.raises(ConfigError, match="no DNS label"):
            kubernetes(devices=1, **given)
