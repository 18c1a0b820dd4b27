"""What a cluster would refuse is refused."""

from __future__ import annotations

import copy

import pytest

from bertkit.launch import kubernetes_rules
from launch.planned import kubernetes

HABANA = (
    "mpirun -np {cards} --allow-run-as-root --map-by ppr:4:socket:PE=6 python3 run_pretraining.py"
    " --do_train --bert_model=bert-large-uncased --use_habana --train_batch_size={batch}"
    " --gradient_accumulation_steps=128 --learning_rate=0.006 --max_steps=7038"
)


def broken(change):
    job = copy.deepcopy(kubernetes(devices=32))
    spec = job["spec"]
    launcher, worker = (spec["mpiReplicaSpecs"][role] for role in ("Launcher", "Worker"))
    change(job, spec, launcher, worker, worker["template"]["spec"]["containers"][0])
    return kubernetes_rules.problems(job)


def command_of(launcher, text):
    launcher["template"]["spec"]["containers"][0]["args"] = [text]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j, s, la, w, c: s.update(slotPerWorker=8), "slotPerWorker"),
        (lambda j, s, la, w, c: s.update(slotsPerWorker="8"), "'8' is not of type 'integer'"),
        (lambda j, s, la, w, c: w["template"]["spec"].update(hostIpc=True), "hostIpc"),
        (lambda j, s, la, w, c: c["resources"]["limits"].update(memory=["1"]), "Worker: "),
        (lambda j, s, la, w, c: c["resources"]["limits"].update({"hugepages-2Mi": "1Gi"}),
         "hugepages-2Mi requests"),
        (lambda j, s, la, w, c: [c["resources"][kind].pop(name) for kind in ("limits", "requests")
                                 for name in ("cpu", "memory")], "needs cpu or memory"),
        (lambda j, s, la, w, c: s.update(slotsPerWorker=4), "a worker has 8 cards"),
        (lambda j, s, la, w, c: w.update(replicas=1), "mpirun starts 32 processes"),
        (lambda j, s, la, w, c: la.update(replicas=2), "there must be one"),
        (lambda j, s, la, w, c: s["mpiReplicaSpecs"].pop("Worker"), "no Worker"),
        (lambda j, s, la, w, c: j["metadata"].update(name="Phase_1"), "no DNS label"),
        (lambda j, s, la, w, c: j["metadata"].update(name="a" * 60), "no DNS label"),
        (lambda j, s, la, w, c: c["volumeMounts"].append({"name": "n", "mountPath": "/n"}),
         "mounts n, which is not a volume"),
        (lambda j, s, la, w, c: command_of(la, "mpirun -np 32 --map-by ppr:8:socket:PE=6 x"),
         "ppr:8:socket"),
        (lambda j, s, la, w, c: command_of(la, HABANA.format(cards=32, batch=8192)),
         "262,144 sequences, 4 times the 65,536"),
        (lambda j, s, la, w, c: j.update(kind="Job"), "neither Pod nor MPIJob"),
    ],
)  # fmt: skip
def test_what_a_cluster_or_a_recipe_forbids_is_told(change, message):
    assert any(message in text for text in broken(change)), broken(change)


def test_the_recipe_for_32_cards_is_let_through():
    fits = HABANA.format(cards=32, batch=2048)
    assert broken(lambda j, s, la, w, c: command_of(la, fits)) == []
