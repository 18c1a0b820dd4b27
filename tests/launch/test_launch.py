"""Command lines and jobs: what is printed runs, and what a cluster would refuse is refused."""

from __future__ import annotations

import copy
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bertkit.errors import ConfigError, UsageError
from bertkit.launch import kubernetes_rules
from bertkit.launch.job import make_job, read_words
from bertkit.launch.launch import check_files, plan

TRAIN = (
    "pretrain", "--preset", "large-phase1", "--input", "/data/128", "--output", "/out",
    "--global-batch-size", "65536", "--micro-batch-size", "64", "--lr", "0.006",
    "--max-steps", "7038",
)  # fmt: skip
HABANA = (
    "mpirun -np {cards} --allow-run-as-root --map-by ppr:4:socket:PE=6 python3 run_pretraining.py"
    " --do_train --bert_model=bert-large-uncased --use_habana --train_batch_size={batch}"
    " --gradient_accumulation_steps=128 --learning_rate=0.006 --max_steps=7038"
)


def kubernetes(words=TRAIN, **changes):
    given = {"backend": "hpu", "devices": 8, "image": "registry/bertkit:1", "mount": ("/d:/data",)}
    return yaml.safe_load(plan("kubernetes", words, **{**given, **changes}))


def test_torchrun_line_runs(tmp_path):
    """Two processes by the line that is printed; one of them talks."""
    line = plan("torchrun", ("doctor", "--json"), backend="cpu", devices=2, per_node=2,
                env=("OMP_NUM_THREADS=1",))  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"command": "doctor"') == 1
    assert "--nproc-per-node 2" in line


def test_torchrun_on_nodes_needs_a_place_to_meet():
    with pytest.raises(UsageError, match="2 nodes"):
        plan("torchrun", TRAIN, backend="cuda", devices=16)
    line = plan("torchrun", TRAIN, backend="cuda", devices=16, rendezvous="one:29500")
    assert "--nnodes 2 --nproc-per-node 8" in line and "--rdzv-endpoint one:29500" in line


def test_mpirun_spreads_cards_over_sockets():
    words = shlex.split(plan("mpirun", TRAIN, devices=32))
    assert words[:3] == ["mpirun", "-np", "32"] and "ppr:4:socket:PE=6" in words
    assert words[words.index("bertkit") + 1 :] == [*TRAIN, "--backend", "hpu"]
    with pytest.raises(UsageError, match="3 cards"):
        plan("mpirun", ("eval", "--input", "x"), devices=3)


def test_poprun_counts_replicas_and_their_ipus():
    """`ipu.replicas` are those of one process, as the adapter demands of poprun."""
    sets = ("--set", "ipu.replicas=4", "--set", "ipu.layers_per_ipu=[3, 7, 7, 7]")
    for words in (
        ("pretrain", *sets, "--input", "x", "--output", "y"),
        ("finetune-squad", "--preset", "squad-base", *sets, "--train-file", "t.json"),
    ):
        line = shlex.split(plan("poprun", words, instances=4))
        assert line[line.index("--num-replicas") + 1] == "16"
        assert line[line.index("--ipus-per-replica") + 1] == "4"
        assert line[line.index("--num-instances") + 1] == "4"
        assert line[line.index("bertkit") + 1 :] == [*words, "--backend", "ipu"]
    with pytest.raises(UsageError, match="starts `pretrain` and `finetune-squad`"):
        plan("poprun", ("eval", "--input", "x"))
    with pytest.raises(UsageError, match="replica"):
        plan("poprun", ("finetune-squad", "--set", "ipu.replica=2"))


def test_csrun_is_the_line_of_their_own_program(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("train_input: {data_dir: d, batch_size: 4}\nmodel: {num_hidden_layers: 2}\n")
    words = ("pretrain", "--config", str(params), "--output", "model_dir")
    line = f"python run.py --mode train --params {params} --model_dir model_dir"
    assert plan("csrun", words, address="10.0.0.1") == f"csrun_wse {line} --cs_ip 10.0.0.1\n"
    only = plan("csrun", (*words, "--set", "cs.validate_only=true"))
    assert only == f"csrun_cpu {line} --validate_only\n"
    many = plan("csrun", (*words, "--set", "cs.systems=2"), address="a")
    assert many.endswith("--cs_ip a --multireplica\n")
    with pytest.raises(UsageError, match="address"):
        plan("csrun", words)


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
         "mounts n, which is no volume"),
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


def test_files_are_checked_whole(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump_all([kubernetes(), kubernetes(devices=1)]))
    job = kubernetes()
    job["spec"]["slotsPerWorker"] = 4
    bad.write_text(yaml.safe_dump(job))
    assert check_files([str(good)]) == [str(good)]
    with pytest.raises(ConfigError, match=r"bad\.yaml: slotsPerWorker is 4"):
        check_files([str(good), str(bad)])


def test_batch_must_divide_over_the_devices():
    words = ("pretrain", "--input", "x", "--output", "y", "--gbs", "96", "--micro-batch-size", "16")
    assert make_job(words, "cuda", 6, 6).devices == 6
    with pytest.raises(ConfigError, match="16 x 8 devices"):
        make_job(words, "cuda", 8)


def test_words_give_the_settings_of_pretrain(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 7\nmodel: {num_hidden_layers: 2}\n")
    config = read_words([
        "--config", str(tmp_path / "c.yaml"), "--input", "a", "b", "--output=o", "--no-nsp",
        "--gbs", "64", "--set", "hpu.mode=eager",
    ])  # fmt: skip
    assert (config.input, config.output, config.nsp) == (["a", "b"], "o", False)
    assert (config.seed, config.model.num_hidden_layers, config.hpu.mode) == (7, 2, "eager")
    assert config.global_batch_size == 64


def test_slurm_script_queues_itself_again(tmp_path):
    """Run by bash with stand-ins for Slurm's programs: SIGTERM saves and requeues."""
    script = plan("slurm", TRAIN, backend="cuda", devices=16, hours=4, partition="gpu")
    assert "#SBATCH --nodes=2" in script and "#SBATCH --gres=gpu:8" in script
    tools = {
        "scontrol": 'if [ "$1" = show ]; then echo n1; else echo "$@" >> calls; fi',
        "scancel": 'echo "scancel $@" >> calls; touch told',
        "srun": "touch started\nuntil [ -e told ]; do sleep 0.05; done\necho saved >> calls",
    }
    for name, body in tools.items():
        place = tmp_path / name
        place.write_text(f"#!/bin/sh\n{body}\n")
        place.chmod(0o755)
    (tmp_path / "job.sh").write_text(script)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "17",
                   "SLURM_JOB_NODELIST": "n[1-2]"}  # fmt: skip
    job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment)
    while not (tmp_path / "started").exists():
        assert job.poll() is None
    job.terminate()
    assert job.wait(60) != 0
    assert (tmp_path / "calls").read_text().split("\n")[:-1] == [
        "scancel --signal=TERM 17", "saved", "requeue 17",
    ]  # fmt: skip


def test_command_writes_the_checked_document(bertkit, tmp_path):
    place = tmp_path / "job.yaml"
    run = bertkit("launch", "kubernetes", "--backend", "hpu", "--devices", 8, "--image", "i:1",
                  "--output", place, "--json", "--", *TRAIN)  # fmt: skip
    assert run.status == 0, run.err
    assert yaml.safe_load(place.read_text())["kind"] == "MPIJob" and run.result["kind"]
    assert bertkit("launch", "check", place).out.strip() == f"{place}: fits"
    bad = bertkit("launch", "kubernetes", "--backend", "hpu", "--devices", 8, "--", *TRAIN)
    assert bad.status == 2 and "--image" in bad.err
