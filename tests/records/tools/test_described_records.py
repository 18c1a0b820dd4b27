"""Files of which no manifest tells a hash are read, wherever the engine says."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, read_manifest
from bertkit.records.files.record_index import FOLDER
from bertkit.records.files.tfrecord.reader import checksums_digest
from bertkit.records.tools.described_records import described_records
from bertkit.records.tools.pick_eval import pick_eval
from bertkit.workers import engine as engines
from bertkit.workers.engine import Engine

from .test_pick_eval import sample as sample


@pytest.fixture
def folder(tmp_path, sample, monkeypatch):
    """Two files that a manifest tells of, and three from elsewhere."""
    source = tmp_path / "records"
    source.mkdir()
    for number in range(5):
        shutil.copy(sample, source / f"{number}.tfrecord")
    crcs = checksums_digest(str(sample))
    facts = {"bytes": sample.stat().st_size, "crc_sha256": crcs}
    outputs = {f"{number}.tfrecord": facts for number in (1, 3)}
    Manifest("make-records", {}, outputs=outputs, state="complete").write(source)
    monkeypatch.setattr(engines, "SMALL_BYTES", 0)
    return source


@pytest.fixture
def tasks(monkeypatch) -> list:
    """What is handed out; it is done in this process, the last task first."""
    handed: list = []

    def run(work, tasks, **more):
        handed.extend(task.task for task in tasks)
        return map(work, list(tasks)[::-1])

    monkeypatch.setattr(engines, "run_tasks", run)
    return handed


def test_only_unknown_files_are_read_and_by_tasks(folder, tasks):
    names = [str(folder / f"{number}.tfrecord") for number in range(5)]
    found = described_records(names, engine=Engine(workers=2))
    assert [name for name, _ in tasks] == [names[0], names[2], names[4]]
    assert [entry["path"] for entry in found] == names
    whole = hashlib.sha256((folder / "0.tfrecord").read_bytes()).hexdigest()
    assert [entry.get("sha256") for entry in found] == [whole, None, whole, None, whole]
    crcs = checksums_digest(names[1])
    assert [entry.get("crc_sha256") for entry in found] == [None, crcs, None, crcs, None]
    # What was read has an index now, so that it is opened without a scan.
    assert len(list((folder / FOLDER).iterdir())) >= 3
    assert described_records(names) == found


def test_the_set_is_the_same_whoever_reads(folder, tmp_path, tasks):
    (folder / "manifest.json").unlink()
    one = pick_eval([str(folder)], tmp_path / "one", 9)
    tasks.clear()
    many = pick_eval([str(folder)], tmp_path / "many", 9, engine=Engine(workers=3))
    assert len(tasks) == 5
    assert (one.sha256, one.digest) == (many.sha256, many.digest)
    found = [read_manifest(tmp_path / name) for name in ("one", "many")]
    assert found[0].inputs == found[1].inputs
    assert found[0].outputs == found[1].outputs


def test_damage_is_named_by_a_task_too(folder, tmp_path):
    path = folder / "4.tfrecord"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"4\.tfrecord"):
        pick_eval([str(folder)], tmp_path / "out", 9, engine=Engine(workers=2))
