"""The cluster: two worker processes of Dask on loopback, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus.cleaning import readable

from bertkit.corpus.cleaning.clean_corpus import clean_corpus
from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.splitting.split import split
from bertkit.errors import BertkitError, DataError, MissingDependencyError, UsageError
from bertkit.manifests.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.workers.engine import Engine
from bertkit.workers.pool import run_tasks

TASK = """
import os, time
from bertkit.errors import DataError

def slow_square(number):
    time.sleep(0.3)
    return number * number, os.getpid()

def fail(number):
    raise DataError(f"record {number} is bad", "mend it")
"""

# Of the cluster: the scheduler first.
PROCESSES: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "dask_task.py").write_text(TASK)
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    started = PROCESSES

    def start(*command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            stderr=subprocess.PIPE, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        started.append(process)
        return process

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    address = ""
    for line in scheduler.stderr:
        if found := re.search(r"Scheduler at: +(tcp://\S+)", line):
            address = found.group(1)
            break
    assert address
    for _ in range(2):
        start("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny",
              "--local-directory", str(folder))  # fmt: skip
    sys.path.insert(0, str(folder))
    yield address
    sys.path.remove(str(folder))
    for process in started:
        process.kill()
    for process in started:
        process.wait(20)
        process.stderr.close()


def documents(folder: Path) -> str:
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.txt").write_text(f"Document {i} speaks. " * 40_000)
    return str(folder)


def parts(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("part-*"))]


@pytest.mark.slow
def test_extract_writes_the_same_bytes_on_a_cluster(cluster, tmp_path):
    source = documents(tmp_path / "in")
    config = ExtractConfig(splitter="lines", part_megabytes=1)
    extract([source], str(tmp_path / "here"), config, workers=1)
    result = extract([source], str(tmp_path / "there"), config, executor="dask", scheduler=cluster)
    assert result.parts == 6
    assert parts(tmp_path / "there") == parts(tmp_path / "here")


@pytest.mark.slow
def test_make_records_writes_the_same_bytes_on_a_cluster(cluster, tmp_path, monkeypatch):
    source = tmp_path / "text"
    source.mkdir()
    for number in range(4):
        lines = (f"The ship {number} had {i} sails.\nIt went to sea.\n" for i in range(20))
        (source / f"part-{number}.txt").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)  # the workers stand elsewhere, and get whole names
    config = RecordsConfig(max_seq_length=32, dupe_factor=2)
    given = (config, ["text"])
    make_records(*given, "here", "bertkit-uncased-8k", workers=1)
    made = make_records(
        *given, "there", "bertkit-uncased-8k", executor="dask", scheduler=cluster
    ).made
    assert made == 4
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*")
                    if path.is_file() and not path.name.startswith(".bertkit.lock")}
                   for name in ("here", "there"))  # fmt: skip
    assert here == there
    with pytest.raises(UsageError, match="--limit"):
        make_records(*given, "x", "bertkit-uncased-8k", limit=1, executor="dask", scheduler=cluster)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_clean_writes_the_same_bytes_on_a_cluster(cluster, tmp_path, monkeypatch):
    documents = readable.mutated_corpus(families=30, members=4)
    for number in range(3):
        readable.write(tmp_path / f"in/{number}.txt", documents[40 * number : 40 * number + 40])
    readable.write(tmp_path / "test.txt", documents[7:8])
    monkeypatch.chdir(tmp_path)  # the workers stand elsewhere
    for size, count in (("RANGE", 20), ("SMALL", 0)):
        monkeypatch.setattr(f"bertkit.corpus.cleaning.duplicates.{size}", count)
    config = readable.plain("near", "overlap", "lines", against=["test.txt"])
    here = clean_corpus(["in"], "here", config, workers=1)
    there = clean_corpus(["in"], "there", config, executor="dask", scheduler=cluster)
    assert parts(tmp_path / "there") == parts(tmp_path / "here")
    assert here.dropped == there.dropped and here.dropped["documents"] > 20
    report = clean_corpus(
        ["in"], config=readable.plain(), executor="dask", scheduler=cluster, scratch="scratch"
    )
    assert report.criteria["near"]["documents"] == here.criteria["near"]["documents"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mlperf", "lists"])
def test_split_writes_the_same_bytes_on_a_cluster(cluster, tmp_path, monkeypatch, method):
    documents(tmp_path / "in")
    (tmp_path / "train.txt").write_text("in/0.txt\nin/2.txt\nin/4.txt\nin/5.txt\n")
    (tmp_path / "val.txt").write_text("in/3.txt\n")
    monkeypatch.chdir(tmp_path)  # the workers stand elsewhere
    if method == "mlperf":
        inputs, config = ["in"], SplitConfig(method=method, num_test_articles=3, parts=3)
    else:
        lists = ["train.txt", "val.txt"]
        inputs = []
        config = SplitConfig(method=method, metadata=lists, part_megabytes=1, splitter="lines")
    prefix = "" if inputs else "."
    split(inputs, "here", config, prefix=prefix)
    engine = Engine(executor="dask", scheduler=cluster)
    split(inputs, "there", config, prefix=prefix, engine=engine)
    found = [read_manifest(name) for name in ("here", "there")]
    assert found[0].outputs == found[1].outputs
    assert found[0].inputs == found[1].inputs
    for name in found[0].outputs:
        assert Path("here", name).read_bytes() == Path("there", name).read_bytes()


def test_errors_of_a_task_arrive_with_their_hint(cluster):
    import dask_task

    with pytest.raises(DataError, match="record 1 is bad") as caught:
        list(run_tasks(dask_task.fail, [1], executor="dask", scheduler=cluster))
    assert caught.value.hint == "mend it"


def test_tasks_of_a_killed_worker_go_to_the_other(cluster):
    import dask_task

    deadline = time.monotonic() + 60
    seen: set[int] = set()
    while len(seen) < 2 and time.monotonic() < deadline:  # until both have joined
        seen |= {pid for _, pid in run_tasks(dask_task.slow_square, range(4), executor="dask",
                                             scheduler=cluster)}  # fmt: skip
    assert len(seen) == 2
    found = []
    for square, pid in run_tasks(
        dask_task.slow_square, range(12), executor="dask", scheduler=cluster
    ):
        found.append(square)
        if len(found) == 1:
            os.kill(pid, signal.SIGKILL)
    assert sorted(set(found)) == [i * i for i in range(12)]
    assert len(found) == 12


def test_executor_and_scheduler_go_together(monkeypatch):
    for executor, scheduler in (("dask", ""), ("processes", "tcp://x:1"), ("mpi", "")):
        with pytest.raises(UsageError):
            list(run_tasks(abs, [1], executor=executor, scheduler=scheduler))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError) as caught:
        list(run_tasks(abs, [1], executor="dask", scheduler="tcp://127.0.0.1:1"))
    assert "bertkit[dask]" in caught.value.hint


def test_no_scheduler_is_one_clear_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("bertkit.workers.pool._CONNECT_SECONDS", 1)
    with pytest.raises(BertkitError, match="no Dask scheduler at"):
        list(run_tasks(abs, [1], executor="dask", scheduler="tcp://127.0.0.1:1"))


def test_a_lost_scheduler_is_one_clear_error(cluster):
    """The last test of the cluster: afterwards there is none."""
    import dask_task

    results = run_tasks(dask_task.slow_square, range(50), executor="dask", scheduler=cluster)
    assert next(results)[0] in {n * n for n in range(50)}
    PROCESSES[0].kill()
    with pytest.raises(BertkitError, match="connection to the Dask scheduler at") as caught:
        list(results)
    assert "finished parts are kept" in caught.value.hint
