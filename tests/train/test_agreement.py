"""Processes that must agree before the first step; two threads stand for two processes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from together import ends_of, free_ports

from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.configuration.config import as_dict, dump_yaml
from bertkit.errors import ConfigError, DataError
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import PretrainingTask
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.finetune import SquadTask
from bertkit.train.agreement import (
    held_by_main,
    require_agreement,
    settings_to_compare,
    together,
    told_by_main,
)


class Pair:
    """A process group of threads, which exchange what they gather."""

    def __init__(self, world: int = 2) -> None:
        self.world = world
        self._barrier = threading.Barrier(world)
        self._items: list[object] = [None] * world

    def member(self, rank: int) -> ProcessGroup:
        pair = self

        class Member(ProcessGroup):
            def gather(self, item):
                pair._items[rank] = item
                pair._barrier.wait(30)
                found = list(pair._items)
                pair._barrier.wait(30)
                return found

            def wait(self):
                self.gather(None)

        return Member(Topology(self.world, rank, rank))

    def run(self, work):
        """work(group) in every thread; its results or errors by rank."""
        results: list[object] = [None] * self.world

        def one(rank):
            try:
                results[rank] = work(self.member(rank))
            except BaseException as error:
                results[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.world)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


def test_an_error_in_one_ends_all_and_says_whose_it_is():
    def work(group):
        def own():
            if group.topology.rank == 1:
                raise DataError("no such file: x", "look for it")
            return group.topology.rank

        return together(group, own)

    first, second = Pair().run(work)
    assert (first.message, first.hint, first.exit_code) == (
        f"process 1 (on {socket.gethostname()}): no such file: x", "look for it", 3,
    )  # fmt: skip
    assert isinstance(second, DataError) and second.message == "no such file: x"
    assert Pair().run(lambda group: together(group, lambda: group.topology.rank)) == [0, 1]


def test_the_main_process_tells_what_it_finds_and_what_went_wrong(tmp_path):
    assert Pair().run(lambda group: told_by_main(group, lambda: group.topology.rank)) == [0, 0]

    def fails():
        raise DataError("damaged")

    errors = Pair().run(lambda group: told_by_main(group, fails))
    assert [error.message for error in errors] == ["damaged", "damaged"]

    def hold(group):
        with held_by_main(group, tmp_path / "out", "pretrain"):
            group.wait()
            found = (tmp_path / "out" / ".bertkit.lock").exists()
            group.wait()
            return found

    assert Pair().run(hold) == [True, True]


def test_what_differs_is_named_with_the_processes_of_each_side():
    facts = [
        {"step": 6, "torch": "2.13", "vocabulary": None},
        {"step": 0, "torch": "2.12", "vocabulary": None},
        {"step": 0, "torch": "2.13", "vocabulary": None},
    ]
    errors = Pair(3).run(lambda group: require_agreement(group, facts[group.topology.rank]))
    assert len({error.message for error in errors}) == 1
    assert errors[0].exit_code == 3 and isinstance(errors[0], ConfigError)
    assert errors[0].message == (
        "the processes of this run do not agree: step 6 in process 0, 0 in processes 1 and 2;"
        " torch 2.13 in processes 0 and 2, 2.12 in process 1"
    )
    assert Pair(3).run(lambda group: require_agreement(group, facts[0])) == [None] * 3


def test_hosts_are_named_where_there_are_several(monkeypatch):
    here = threading.local()
    monkeypatch.setattr(socket, "gethostname", lambda: here.name)

    def agree(group):
        here.name = "node2" if group.topology.rank else "node1"
        require_agreement(group, {"bertkit": f"2.{bool(group.topology.rank):d}"})

    error, *_ = Pair(3).run(agree)
    assert error.message.endswith(
        "bertkit 2.0 in process 0 (on node1), 2.1 in processes 1 and 2 (on node2)"
    )


def test_a_side_of_many_processes_is_counted():
    errors = Pair(9).run(
        lambda group: require_agreement(group, {"seed": 1 if group.topology.rank else 2})
    )
    assert errors[0].message.endswith(
        "seed 2 in process 0, 1 in processes 1, 2, 3, 4, 5 and 3 more"
    )


def test_an_output_that_is_not_shared_is_told(tmp_path, caplog):
    def work(group, *places):
        with held_by_main(group, places[group.topology.rank], "pretrain"):
            group.wait()

    Pair().run(lambda group: work(group, tmp_path / "a", tmp_path / "a"))
    assert not caplog.text
    Pair().run(lambda group: work(group, tmp_path / "a", tmp_path / "b"))
    assert f"process 1 (on {socket.gethostname()}) does not see" in caplog.text


@pytest.mark.parametrize(
    ("task", "config"), [(PretrainingTask, PretrainConfig()), (SquadTask, SquadConfig())]
)
def test_places_may_differ_and_what_decides_numbers_may_not(task, config):
    compared = settings_to_compare(config, task.local_settings)
    local = as_dict(config).keys() - {name.partition(".")[0] for name in compared}
    # All of them tell where something is or goes.
    assert {"output", "init_checkpoint", "resume", "log_to"} < local <= {
        "output", "init_checkpoint", "resume", "log_to", "log_project", "log_name", "log_tag",
        "input", "text", "text_cache", "workers",
        "eval_input", "vocab", "mlperf_log", "json_summary", "train_file", "predict_file", "cache",
        "model_config",
    }  # fmt: skip
    assert {"seed", "learning_rate", "save_every", "eval_every", "layout"} < compared.keys()


# --- real processes

# As on two nodes: every process in a folder of its own, perhaps with other software.
NODE = """
import os, sys
os.chdir(sys.argv[1] + "/node" + os.environ["RANK"])
if os.environ["RANK"] == "1":
    {patch}
from bertkit.cli import main
sys.exit(main(sys.argv[2:]))
"""


def nodes(folder, words, patch="pass"):
    """[(status, stderr)] of two processes with disks of their own, over gloo."""
    (port,) = free_ports(1)
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = []
    for rank in range(2):
        (folder / f"node{rank}").mkdir(exist_ok=True)
        program = NODE.format(patch=patch)
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", program, str(folder), *map(str, words)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
        )  # fmt: skip
    return [(status, stderr) for status, _, stderr in ends_of(processes)]


@pytest.fixture
def words(settings, tmp_path):
    config = settings(output="run", max_steps=6, save_every=2, micro_batch_size=2, keep_last=0)
    (tmp_path / "settings.yaml").write_text(dump_yaml(as_dict(config)))
    return ["pretrain", "--backend", "cpu", "--config", tmp_path / "settings.yaml"]


@pytest.mark.slow
def test_nodes_with_disks_of_their_own_do_not_resume_apart(tmp_path, words):
    assert [status for status, _ in nodes(tmp_path, [*words, "--steps-this-run", 2])] == [75, 75]
    # Only the first process has written: the second one would start at step 0.
    before = sorted(path.name for path in (tmp_path / "node0/run").iterdir())
    for status, error in nodes(tmp_path, words):
        assert status == 3, error
        assert "newest checkpoint step-0000002 in process 0, none in process 1" in error
        assert "step 2 in process 0, 0 in process 1" in error
        assert "Traceback" not in error
    assert sorted(path.name for path in (tmp_path / "node0/run").iterdir()) == before
    # With the same files on both, in whatever place, the run goes on.
    shutil.copytree(tmp_path / "node0/run", tmp_path / "node1/run")
    assert [status for status, _ in nodes(tmp_path, words)] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (
            "import bertkit, torch; bertkit.__version__, torch.__version__ = '0.1', '2.0.0'",
            r"bertkit \S+ in process 0, 0\.1 in process 1; torch \S+ in process 0, 2\.0\.0 in",
        ),
        ("sys.argv += ['--lr', '0.5']", r"learning_rate 0\.01 in process 0, 0\.5 in process 1"),
    ],
)
def test_other_software_and_settings_are_refused(tmp_path, words, patch, text):
    for status, error in nodes(tmp_path, words, patch):
        assert status == 3 and re.search(text, error), error
    assert not (tmp_path / "node0/run").exists(), "nothing was written"
