"""What a cluster would refuse is refused."""

from __future__ import annotations

import copy

import pytest
import yaml

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


VOYAGER = {
    "data_gen.yaml": "",
    "bert_phase1_1card.yaml": "",
    "bert_phase1_8cards.yaml": "",
    "bert_inference_1card.yaml": "",
    "bert_ftuning_8cards.yaml": "",
    # 32 cards x 8,192: the batch of a card was not divided when cards became more.
    "bert_phase1_32cards.yaml": "262,144 sequences, 4 times the 65,536 of this recipe (learning"
    " rate 0.006, length 128, 7,038 steps): divide the batch of a card by 4",
    # 8 cards x 8,192, where the recipe's second phase has 8 x 4,096.
    "bert_phase2_8cards.yaml": "65,536 sequences, 2 times the 32,768 of this recipe",
}


@pytest.mark.parametrize("name", VOYAGER)
def test_documents_of_a_gaudi_cluster(shared, name):
    text = (shared / "data" / "vendor_configs" / "voyager_v111" / name).read_text()
    found = kubernetes_rules.problems(yaml.safe_load(text))
    assert len(found) == (1 if VOYAGER[name] else 0), found
    assert not found or VOYAGER[name] in found[0]


@pytest.mark.parametrize(
    ("nodes", "processes", "message"),
    [(2, "${N_CARDS}", "mpirun starts 16 processes, the workers have 1 x 8 slots"),
     (1, "4", "mpirun starts 4 processes"), (1, "$(nproc)", "")],
)  # fmt: skip
def test_processes_that_the_script_computes_are_counted(shared, nodes, processes, message):
    place = shared / "data" / "vendor_configs" / "voyager_v111" / "bert_ftuning_8cards.yaml"
    text = place.read_text().replace("NUM_NODES=1", f"NUM_NODES={nodes}")
    found = kubernetes_rules.problems(yaml.safe_load(text.replace("${N_CARDS}", processes)))
    assert [message in item for item in found] == ([True] if message else [])


def test_a_batch_too_small_is_told_what_to_do():
    small = HABANA.format(cards=32, batch=1024)
    (found,) = broken(lambda j, s, la, w, c: command_of(la, small))
    assert "0.5 times the 65,536" in found and "multiply the batch of a card by 2" in found


@pytest.mark.parametrize(
    ("flags", "times"),
    [("--preset large-phase1", ""), ("--preset large-phase1 --gbs 131072", "2 times"),
     ("--lr 4e-3 --msl 512 --global-batch-size=65536", "2 times"), ("--gbs many", "")],
)  # fmt: skip
def test_our_own_lines_are_compared_with_the_recipe_too(flags, times):
    line = f"mpirun -np 32 --map-by ppr:4:socket:PE=6 bertkit pretrain {flags}"
    found = broken(lambda j, s, la, w, c: command_of(la, line))
    assert [times in item for item in found] == ([True] if times else [])


def test_names_are_checked_of_pods_too():
    pod = kubernetes(devices=1)
    for change, name in ((pod["metadata"], "Bad_Name"), (pod["spec"]["containers"][0], "a" * 64)):
        broken_pod = copy.deepcopy(pod)
        place = broken_pod["metadata"] if change is pod["metadata"] else (
            broken_pod["spec"]["containers"][0]
        )  # fmt: skip
        place["name"] = name
        assert any("no DNS label" in text for text in kubernetes_rules.problems(broken_pod))
    pod["metadata"]["namespace"] = "No Space"
    assert "namespace 'No Space' is no DNS label" in kubernetes_rules.problems(pod)[0]
