"""Lines that are printed run, and are those of the vendors' recipes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.errors import UsageError
from launch.planned import TRAIN, planned


def test_torchrun_line_runs(tmp_path):
    """Two processes by the line that is printed; one of them talks."""
    line = planned("torchrun", ("doctor", "--json"), backend="cpu", devices=2, per_node=2,
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
        planned("torchrun", TRAIN, backend="cuda", devices=16)
    line = planned("torchrun", TRAIN, backend="cuda", devices=16, rendezvous="one:29500")
    assert "--nnodes 2 --nproc-per-node 8" in line and "--rdzv-endpoint one:29500" in line


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
    with pytest.raises(UsageError, match="starts `pretrain` and `finetune-squad`"):
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
