"""Which command of a job trains, and on how many cards."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.external_configs.jobs import cards_started, find, recognises

RUN = "python3 run_pretraining.py --do_train --seed 1"


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        (RUN, 1),
        (f"mpirun -n 8 --bind-to core {RUN}", 8),
        (f"mpirun --np=16 {RUN}", 16),
        (f"export N=4\nmpirun -np $((N*8)) -x A=b {RUN}", 32),
        ("torchrun --nnodes 2 --nproc-per-node=8 run_pretraining.py --seed 1", 16),
        ("python -m torch.distributed.launch --nproc_per_node 4 run_pretraining.py", 4),
        ("python gaudi_spawn.py --world_size 8 --use_mpi run_pretraining.py --seed 1", 8),
        (f"mpirun -H one:8,two:8 {RUN}", 16),
        (f"bash -c 'mpirun -np 2 {RUN}'", 2),
        (f'CMD="{RUN}"\nmpirun -np 3 -x HOME $CMD', 3),
        (f"mpirun -np 5 --report-bindings\n{RUN}", 5),
    ],
)
def test_cards_are_those_that_the_launcher_starts(text, cards):
    command = find("job", text)
    assert command.cards("job") == cards and command.program == "run_pretraining.py"


@pytest.mark.parametrize("launcher", ["mpirun -np $CARDS_OF_NOBODY", "mpirun", "mpirun -H one,two"])
def test_cards_that_cannot_be_known_are_refused(launcher):
    with pytest.raises(ConfigError, match="number of cards is not known: mpirun with"):
        find("job", f"{launcher} {RUN}").cards("job")


def test_a_variable_of_this_machine_counts_where_the_file_has_none(monkeypatch):
    monkeypatch.setenv("CARDS_OF_NOBODY", "6")
    assert find("job", f"mpirun -np $CARDS_OF_NOBODY {RUN}").cards("job") == 6


JOB = """
kind: MPIJob
spec:
  slotsPerWorker: {slots}
  mpiReplicaSpecs:
    Launcher:
      template: {{spec: {{containers: [{{name: a, env: [{{name: N, value: "7"}}],
        command: [/bin/bash, -c], args: ["{launcher} {run} --output_dir=$(N)"]}}]}}}}
    Worker: {{replicas: {replicas}}}
"""


@pytest.mark.parametrize(
    ("launcher", "cards"),
    [("mpirun", 24), ("mpirun -np $UNKNOWN_HERE", 24), ("mpirun -np $N", 7), ("", 1)],
)
def test_a_job_knows_its_slots_and_the_variables_of_its_container(launcher, cards):
    text = JOB.format(slots=8, replicas=3, launcher=launcher, run=RUN)
    command = find("job", text)
    assert command.cards("job") == cards and command.arguments[-1] == "--output_dir=7"


def test_several_commands_are_told_apart_by_number():
    text = f"{RUN}\n{RUN} --phase2\npython3 run_squad.py --do_train\n"
    with pytest.raises(ConfigError, match=r"3 training commands \(1: line 1, .*3: line 3, run_sq"):
        find("job", text)
    assert find("job", text, "2").arguments[-1] == "--phase2"
    assert find("job", text, "3").program == "run_squad.py"
    with pytest.raises(ConfigError, match="'4' is none of them"):
        find("job", text, "4")
    assert find("job", f"{RUN}\n{RUN}\n").line == 1  # the same command twice


def test_lines_that_lack_their_backslash_are_joined_and_told():
    command = find("job", "python3 run_pretraining.py --do_train \n --seed 1\n  --max_steps=2\n")
    assert command.arguments == ("--do_train", "--seed", "1", "--max_steps=2")
    assert len(command.notes) == 2 and "line 2" in command.notes[0]


def test_documentation_is_read_line_by_line():
    text = f"It's used by run_pretraining.py (don't ask).\n```bash\nexport A=1\n{RUN}\n```\n"
    command = find("page", text + f"```bash\n{RUN}\n```\n", "2")
    assert command.variables == {} and find("page", text).variables == {"A": "1"}


def test_what_runs_no_program_is_refused_by_name():
    for text in ("kind: Pod\nspec: {}\n", "#!/bin/sh\npip install .\n"):
        assert recognises(text)
        with pytest.raises(ConfigError, match="runs none of the programs"):
            find("job", text)


def test_a_file_of_ours_that_names_a_program_is_not_taken():
    assert not recognises("# as run_squad.py does\ndescription: Google's run_squad.py\nseed: 1\n")
    assert not recognises("seed: 1\n")


def test_launchers_without_numbers():
    assert cards_started(()) == 1 and cards_started(("mpirun",), slots=8) == 8
    assert cards_started(("/opt/bin/mpirun", "-np", "4")) == 4


@pytest.mark.parametrize("text", [" \n" * 100_000, "--a\n" * 40_000])
def test_long_files_take_no_longer_than_their_length(text):
    """To go through the lines before each line would take minutes."""
    assert recognises(f"{text}run_squad.py --a\n")
