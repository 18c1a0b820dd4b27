"""Lines that are printed run, and are those of the vendors' recipes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.errors import UsageError
from bertkit.launch.command_lines import text
from launch.planned import TRAIN, planned


@pytest.mark.slow
def test_torchrun_line_runs(tmp_path):
    """Two processes by the line that is printed; doctor joins no process group, so both talk."""
    line = planned("torchrun", ("doctor", "--json"), backend="cpu", devices=2, per_node=2,
                env=("OMP_NUM_THREADS=1",))  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"command": "doctor"') == 2
    assert "--nproc-per-node 2" in line


def test_torchrun_on_nodes_needs_a_place_to_meet():
    with pytest.raises(UsageError, match="16 devices are 2 nodes of 8") as told:
        planned("torchrun", TRAIN, backend="cuda", devices=16)
    assert "--per-node 16, if one node has them all" in str(told.value.hint)
    line = planned("torchrun", TRAIN, backend="cuda", devices=16, rendezvous="one:29500")
    assert "--nnodes 2 --nproc-per-node 8" in line and "--rdzv-endpoint one:29500" in line


@pytest.mark.parametrize(
    "place", ["[fd00::1]:29500", "$first:29500", "${HOST}:$PORT", "10.0.0.1:1"]
)
def test_a_place_to_meet_is_a_host_and_a_port(place):
    line = planned("torchrun", TRAIN, backend="cuda", devices=16, rendezvous=place)
    assert place in shlex.split(line)
    for wrong in (place.rpartition(":")[0], f"{place}:1", f"{place} x", "fd00::1:29500"):
        with pytest.raises(UsageError, match="is no HOST:PORT"):
            planned("torchrun", TRAIN, backend="cuda", devices=16, rendezvous=wrong)


def test_mpirun_spreads_cards_over_sockets():
    words = shlex.split(planned("mpirun", TRAIN, devices=32))
    assert words[:3] == ["mpirun", "-np", "32"] and "ppr:4:socket:PE=6" in words
    assert words[words.index("bertkit") + 1 :] == [*TRAIN, "--backend", "hpu"]
    with pytest.raises(UsageError, match="3 cards"):
        planned("mpirun", ("eval", "--input", "x"), devices=3)


def test_poprun_counts_replicas_and_their_ipus():
    """`ipu.replicas` are those of one process, as the adapter demands of poprun."""
    sets = ("--set", "ipu.replicas=4", "--set", "ipu.layers_per_ipu=[3, 7, 7, 7]")
    for words in (
        ("pretrain", *sets, "--input", "x", "--output", "y"),
        ("finetune-squad", "--preset", "squad-base", *sets, "--train-file", "t.json"),
    ):
        line = shlex.split(planned("poprun", words, instances=4))
        assert line[line.index("--num-replicas") + 1] == "16"
        assert line[line.index("--ipus-per-replica") + 1] == "4"
        assert line[line.index("--num-instances") + 1] == "4"
        assert line[line.index("bertkit") + 1 :] == [*words, "--backend", "ipu"]
    with pytest.raises(UsageError, match="starts `pretrain`, `finetune-squad`, `finetune`"):
        planned("poprun", ("eval", "--input", "x"))
    with pytest.raises(UsageError, match="replica"):
        planned("poprun", ("finetune-squad", "--set", "ipu.replica=2"))


def test_csrun_is_the_line_of_their_own_program(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("train_input: {data_dir: d, batch_size: 4}\nmodel: {num_hidden_layers: 2}\n")
    words = ("pretrain", "--config", str(params), "--output", "model_dir")
    line = f"python run.py --mode train --params {params} --model_dir model_dir"
    assert planned("csrun", words, address="10.0.0.1") == f"csrun_wse {line} --cs_ip 10.0.0.1\n"
    only = planned("csrun", (*words, "--set", "cs.validate_only=true"))
    assert only == f"csrun_cpu {line} --validate_only\n"
    many = planned("csrun", (*words, "--set", "cs.systems=2"), address="a")
    assert many.endswith("--cs_ip a --multireplica\n")
    with pytest.raises(UsageError, match="address"):
        planned("csrun", words)


def test_slurm_script_queues_itself_again(tmp_path):
    """Run by bash with stand-ins for Slurm's programs: SIGTERM saves and requeues."""
    script = planned("slurm", TRAIN, backend="cuda", devices=16, hours=4, partition="gpu")
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


def test_restarts_and_cores_are_torchruns_own_flags(tmp_path):
    from torch.distributed.run import get_args_parser

    given = {"max_restarts": 3, "cpu_binding": "node"}
    words = shlex.split(planned("torchrun", TRAIN, backend="cuda", devices=8, **given))
    found = get_args_parser().parse_args(words[words.index("torchrun") + 1 :])
    assert (found.max_restarts, found.numa_binding) == (3, "node")
    assert found.module and found.training_script == "bertkit"
    script = planned("slurm", TRAIN, backend="cuda", devices=16, **given)
    line = script.replace("\\\n", "").partition("srun --cpu-bind=none torchrun ")[2]
    found = get_args_parser().parse_args(shlex.split(line.partition(" &\n")[0]))
    assert (found.max_restarts, found.numa_binding) == (3, "node")
    with pytest.raises(UsageError, match="--cpu-binding is for cuda, not for hpu"):
        planned("torchrun", TRAIN, backend="hpu", devices=8, cpu_binding="node")


def test_slurm_gives_the_one_task_of_a_node_more_than_a_core():
    assert "#SBATCH --exclusive\n" in planned("slurm", TRAIN, backend="cuda", devices=16)
    some = planned("slurm", TRAIN, backend="cuda", devices=2, cpu="24")
    assert "#SBATCH --cpus-per-task=24\n" in some and "exclusive" not in some
    with pytest.raises(UsageError, match="whole cores"):
        planned("slurm", TRAIN, backend="cuda", devices=2, cpu="500m")


def test_poprun_takes_the_devices_that_it_is_given_or_none():
    words = ("pretrain", "--input", "x", "--output", "y", "--set", "ipu.layers_per_ipu=[6, 6]")
    line = shlex.split(planned("poprun", (*words, "--set", "ipu.replicas=4"), devices=8))
    assert line[line.index("--num-replicas") + 1] == "4"
    with pytest.raises(UsageError, match="--devices 16, but the settings use 2") as caught:
        planned("poprun", words, devices=16)
    assert "ipu.replicas=8" in str(caught.value.hint)
    with pytest.raises(UsageError, match="--devices 3") as caught:
        planned("poprun", words, devices=3)
    assert "multiple of 2" in str(caught.value.hint)
    line = planned("poprun", words, env=("A=two words",))
    assert "-x A='\"'\"'two words'\"'\"''" in line


def test_csrun_passes_on_what_their_program_has_a_flag_for(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(
        "train_input: {data_dir: d, batch_size: 4}\nmodel: {num_hidden_layers: 2}\n"
        "runconfig: {max_steps: 10}\n"
    )
    words = ("pretrain", "--config", str(params), "--output", "m")
    line = planned("csrun", (*words, "--max-steps", "77", "--init-checkpoint", "c"), address="a")
    assert line.endswith("--cs_ip a --checkpoint_path c --max_steps 77\n")
    for lost in ("--learning-rate=0.5", "--input=other", "--seed=3"):
        name = lost.strip("-").partition("=")[0].replace("-", "_")
        with pytest.raises(UsageError, match=f"run.py has no flag for {name}"):
            planned("csrun", (*words, lost), address="a")
    with pytest.raises(UsageError, match="--devices 2, but the settings use 1 systems"):
        planned("csrun", words, address="a", devices=2)
    many = planned("csrun", (*words, "--set", "cs.systems=2"), address="a", devices=2)
    assert many.endswith("--multireplica\n")


@pytest.mark.parametrize(
    ("sets", "value"),
    [(("hpu.mode=lazy",), "1"), (("hpu.mode=eager",), "0"), (("hpu.mode=compile",), "0"),
     (("hpu.graphs=true",), "1"), ((), "0")],
)  # fmt: skip
def test_the_mode_of_gaudi_is_set_before_its_package_can_be_imported(sets, value):
    words = (*TRAIN, *(word for item in sets for word in ("--set", item)))
    wanted = f"PT_HPU_LAZY_MODE={value}"
    assert f"-x {wanted} " in planned("mpirun", words, devices=8)
    assert planned("torchrun", words, backend="hpu", devices=8).startswith(f"env {wanted} ")
    assert f"export {wanted}\n" in planned("slurm", words, backend="hpu", devices=8)
    pod = planned("kubernetes", words, backend="hpu", image="i")
    assert "- name: PT_HPU_LAZY_MODE" in pod
    given = planned("mpirun", words, devices=8, env=("PT_HPU_LAZY_MODE=2",))
    assert "-x PT_HPU_LAZY_MODE=2 " in given and wanted not in given
    evaluation = ("eval", "--input", "x", "--checkpoint", "c", *words[len(TRAIN) :])
    assert wanted in planned("mpirun", evaluation, devices=1)
    assert "PT_HPU" not in planned("torchrun", words, backend="cuda")


def test_variables_stay_variables_and_nothing_else_does(tmp_path):
    words = ["$A/x", "${A}", "a $A`id`$(id)\\\"'", "$1", "b\nc $A", "a!b#%c $A;$A"]
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {text(words)}"], env={"A": "1"}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\0")[:-1] == [
        "1/x",
        "1",
        "a 1`id`$(id)\\\"'",
        "$1",
        "b\nc 1",
        "a!b#%c 1;1",
    ]


@pytest.mark.parametrize(
    "given", [{"name": "a b"}, {"name": "a\n#SBATCH -x"}, {"partition": "$(id)"}]
)
def test_slurm_takes_plain_names_only(given):
    with pytest.raises(UsageError, match="only letters, digits"):
        planned("slurm", TRAIN, backend="cuda", **given)
