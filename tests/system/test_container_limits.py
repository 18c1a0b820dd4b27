"""Limits of containers: the kernel's own where groups can be made, and its files as documented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.system import container_limits, memory, processes

GiB = 1 << 30
# What the kernel tells of a process, its mounts and its groups: of version 2 in a service of
# systemd, of a container of Docker's with version 1 (whose names are those of the machine), and
# with a namespace of its own (Docker's default with version 2).
SERVICE = ("0::/system.slice/a.service", "31 23 0:26 / {place} rw - cgroup2 cgroup2 rw")
DOCKER = (
    "4:memory:/docker/1f\n3:cpuacct,cpu:/docker/1f\n1:name=systemd:/docker/1f\n0::/docker/1f",
    "32 31 0:29 /docker/1f {place}/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 /docker/1f {place}/memory ro - cgroup cgroup rw,memory\n"
    "34 31 0:31 / {place}/unified ro - cgroup2 cgroup2 rw",
)
POD = ("0::/", "31 23 0:26 / {place} ro - cgroup2 cgroup rw,nsdelegate")


@pytest.fixture
def process(tmp_path):
    """Writes what the kernel tells; returns the process's folder of `/proc`."""

    def written(told, files):
        groups, mounts = told
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cgroup").write_text(f"{groups}\n")
        (tmp_path / "proc/mountinfo").write_text(mounts.format(place=tmp_path / "fs") + "\n")
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path / "proc"

    return written


@pytest.mark.parametrize(
    ("told", "files", "cores", "most", "left"),
    [
        (POD, {"cpu.max": "max 100000", "memory.max": "max"}, None, None, None),
        (
            POD,
            {
                "cpu.max": "350000 100000", "memory.max": 16 * GiB, "memory.current": 6 * GiB,
                "memory.stat": f"anon {GiB}\nfile {5 * GiB}\ninactive_file {4 * GiB}",
            },
            3.5, 16 * GiB, 14 * GiB,
        ),
        (  # the service has no limit of its own: the slice that holds it has
            SERVICE,
            {
                "system.slice/a.service/cpu.max": "max 100000",
                "system.slice/a.service/memory.max": 8 * GiB,
                "system.slice/a.service/memory.current": GiB,
                "system.slice/cpu.max": "200000 50000",
                "system.slice/memory.max": 4 * GiB,
                "system.slice/memory.current": 5 * GiB,  # above a limit that was lowered
            },
            4.0, 4 * GiB, 0,
        ),
        (
            DOCKER,
            {
                "cpu,cpuacct/cpu.cfs_quota_us": 50000, "cpu,cpuacct/cpu.cfs_period_us": 100000,
                "memory/memory.limit_in_bytes": 2 * GiB, "memory/memory.usage_in_bytes": GiB,
                "memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {GiB // 2}",
            },
            0.5, 2 * GiB, 3 * GiB // 2,
        ),
        (
            DOCKER,
            {
                "cpu,cpuacct/cpu.cfs_quota_us": -1, "cpu,cpuacct/cpu.cfs_period_us": 100000,
                "memory/memory.limit_in_bytes": 9223372036854771712,
            },
            None, None, None,
        ),
    ],
)  # fmt: skip
def test_limits_are_those_of_all_groups_of_a_process(process, told, files, cores, most, left):
    found = process(told, files)
    assert container_limits.cores(found) == cores
    assert (container_limits.memory(found), container_limits.memory_left(found)) == (most, left)


def test_a_group_that_the_mount_does_not_show_has_the_limits_of_what_it_shows(process):
    told = ("0::/../other", "31 23 0:26 / {place} ro - cgroup2 cgroup rw")
    assert container_limits.cores(process(told, {"cpu.max": "200000 100000"})) == 2.0


def test_systems_without_groups_have_no_limits(tmp_path):
    assert container_limits.cores(tmp_path) is None
    assert container_limits.memory(tmp_path) is container_limits.memory_left(tmp_path) is None


@pytest.mark.parametrize(("limit", "cores"), [(None, 8), (0.2, 1), (2.5, 3), (64.0, 8)])
def test_cores_are_as_many_as_there_is_time_for(limit, cores, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda number: set(range(8)), raising=False)
    monkeypatch.setattr(container_limits, "cores", lambda: limit)
    assert processes.core_count() == cores


def test_memory_is_what_the_container_may_have(monkeypatch):
    monkeypatch.setattr(container_limits, "memory", lambda: 3 * GiB // 8)
    monkeypatch.setattr(container_limits, "memory_left", lambda: 12345)
    assert memory.allowed() == 3 * GiB // 8 < memory.of_machine()
    assert memory.available() == 12345


# ---------------------------------------------------------------- the kernel's own

_FOUND = """
import json, os, sys
for path in sys.argv[1:]:
    with open(path + "/cgroup.procs", "w") as stream:
        stream.write(str(os.getpid()))
import torch
from bertkit.backends import doctor, registry
from bertkit.workers.pool import worker_count
found = doctor.examine()
with registry.get("cpu") as adapter:
    adapter.start()
print(json.dumps({"text": doctor.describe(found), "threads": torch.get_num_threads(),
                  "workers": worker_count(0, 100), **found}))
"""


@pytest.fixture
def group():
    """Groups of version 1 with a limit each; gone after the test."""
    made = []

    def make(controller, file, value):
        parent = Path("/sys/fs/cgroup") / controller
        path = parent / f"bertkit-{os.getpid()}"
        try:
            path.mkdir()
            made.append(path)
            (path / file).write_text(str(value))
        except OSError as error:
            pytest.skip(f"no groups of version 1 can be made here: {error}")
        return str(path)

    yield make
    for path in made:
        path.rmdir()


@pytest.mark.slow
def test_a_limited_process_starts_as_many_threads_and_workers_as_it_has_time_for(group):
    places = [
        group("cpu", "cpu.cfs_quota_us", 80000),
        group("memory", "memory.limit_in_bytes", 4 * GiB),
    ]
    words = [sys.executable, "-c", _FOUND, *places]
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["threads"], found["workers"], found["cores"]) == (1, 1, 1)
    assert (found["core_limit"], found["memory_limit_bytes"]) == (0.8, 4 * GiB)
    assert 0 < found["available_bytes"] < 4 * GiB
    assert "1 (a limit of 0.8 here)" in found["text"]
    assert "a limit of 4.3 GB here" in found["text"]
