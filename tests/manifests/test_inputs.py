import json
import threading

import pytest

from bertkit.errors import DataError
from bertkit.manifests import inputs as manifest_inputs
from bertkit.manifests.inputs import ManyInputs, total_bytes
from bertkit.manifests.manifest import (
    Manifest,
    begin,
    describe_inputs,
    read_manifest,
    working_folder,
)
from bertkit.storage.files import sha256_of
from bertkit.workers.engine import Engine


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(manifest_inputs, "MANY", 3)


def texts(folder, count=5):
    paths = [folder / f"{number}.txt" for number in range(count)]
    for path in paths:
        path.write_text(path.stem)
    return [str(path) for path in paths]


def side_files(folder):
    return sorted(path.name for path in folder.glob(".manifest.inputs-*"))


def test_many_inputs_go_to_a_side_file_and_read_as_the_list_did(tmp_path, monkeypatch):
    names, out = texts(tmp_path), tmp_path / "out"
    many = describe_inputs(names, Engine(workers=2))
    monkeypatch.setattr(manifest_inputs, "MANY", 1000)
    plain = describe_inputs(names)
    assert isinstance(many, ManyInputs) and list(many) == plain and len(many) == 5
    assert many[1:4:2] == plain[1:4:2] and many[-1] == plain[-1] and many[:1000] == plain
    assert total_bytes(many) == total_bytes(plain) == 5
    begin(out, Manifest("split", {}, many))
    stated = json.loads((out / "manifest.json").read_text())["inputs"]
    assert stated["count"] == 5 and [stated["file"]] == side_files(out)
    assert list(read_manifest(out).inputs) == plain


@pytest.mark.parametrize(("engine", "at_once"), [(None, 1), (Engine(workers=3), 3)])
def test_as_many_files_are_hashed_at_once_as_the_engine_has_workers(
    tmp_path, monkeypatch, engine, at_once
):
    names = texts(tmp_path, 3 * at_once)
    together = threading.Barrier(at_once, timeout=20)  # broken where fewer meet
    running, most = [], []

    def hashed(path):
        running.append(path)
        most.append(len(running))
        together.wait()
        running.remove(path)
        return sha256_of(path)

    monkeypatch.setattr(manifest_inputs, "sha256_of", hashed)
    found = describe_inputs(names, engine)
    assert [entry["path"] for entry in found] == names and max(most) == at_once


def test_a_cluster_hashes_where_the_engine_has_one(tmp_path, monkeypatch):
    names, asked = texts(tmp_path), []

    def run(work, tasks, **where):
        asked.append(where)
        return map(work, reversed(tasks))  # in any order

    monkeypatch.setattr("bertkit.workers.engine.run_tasks", run)
    monkeypatch.setattr(manifest_inputs, "_HASHED", 2)
    found = describe_inputs(names, Engine(executor="dask", scheduler="tcp://one:1"))
    assert list(found) == list(describe_inputs(names))
    assert asked == [{"workers": 1, "executor": "dask", "scheduler": "tcp://one:1"}]


def test_a_folder_of_before_resumes_with_its_list_of_inputs(tmp_path, monkeypatch):
    names, out = texts(tmp_path), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(manifest_inputs, "MANY", 1000)
        manifest = begin(out, Manifest("split", {}, describe_inputs(names)))
        manifest.record(out, {"a": {"bytes": 1}})
    found = begin(out, Manifest("split", {}, describe_inputs(names)))
    assert found.outputs == {"a": {"bytes": 1}}


def test_changed_inputs_are_counted(tmp_path):
    names, out = texts(tmp_path), tmp_path / "out"
    begin(out, Manifest("split", {}, describe_inputs(names)))
    (tmp_path / "3.txt").write_text("other")
    changed = Manifest("split", {}, describe_inputs(names))
    with pytest.raises(
        DataError, match=r"5 inputs, now 5; 1 of them changed, the first is .*3\.txt"
    ):
        begin(out, changed)
    (out / side_files(out)[0]).unlink()
    with pytest.raises(DataError, match=r"5 inputs, now 5$"):
        begin(out, changed)


def test_a_lost_or_damaged_side_file_is_said_and_made_again_by_its_run(tmp_path):
    names, out = texts(tmp_path), tmp_path / "out"
    begin(out, Manifest("split", {}, describe_inputs(names)))
    (side,) = side_files(out)
    (out / side).write_text((out / side).read_text().replace("3.txt", "4.txt"))
    with pytest.raises(DataError, match="is not what its manifest says"):
        list(read_manifest(out).inputs)
    (out / side).unlink()
    with pytest.raises(DataError, match="which lists the inputs"):
        list(read_manifest(out).inputs)
    found = begin(out, Manifest("split", {}, describe_inputs(names)))
    found.write(out)
    assert len(list(read_manifest(out).inputs)) == 5


def test_a_replaced_run_leaves_no_side_file_and_a_refused_one_neither(tmp_path):
    names, out = texts(tmp_path), tmp_path / "out"
    with working_folder(out, Manifest("split", {}, describe_inputs(names))) as manifest:
        manifest.outputs["a"] = {}
        manifest.state = "complete"
        manifest.write(out)
    before = side_files(out)
    other = Manifest("split", {}, describe_inputs(names[:4]))
    with pytest.raises(DataError, match="no text"), working_folder(out, other, overwrite=True):
        assert len(side_files(out)) == 2
        raise DataError("no text")
    assert side_files(out) == before and list(read_manifest(out).inputs)
    other = Manifest("split", {}, describe_inputs(names[:4]))
    with working_folder(out, other, overwrite=True) as manifest:
        manifest.outputs["a"] = {}
        manifest.state = "complete"
        manifest.write(out)
    assert len(side_files(out)) == 1 != before and len(list(read_manifest(out).inputs)) == 4


@pytest.mark.parametrize("key", ["count", "bytes", "hashes_sha256", "lines_sha256"])
@pytest.mark.parametrize("value", ["../../x", -1, None, True, [1]])
def test_what_cannot_be_said_of_inputs_is_damage(tmp_path, key, value):
    Manifest("split", {}, describe_inputs(texts(tmp_path))).write(tmp_path)
    path = tmp_path / "manifest.json"
    values = json.loads(path.read_text())
    del values["checksum"]
    values["inputs"][key] = value
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="inputs is not what bertkit writes"):
        read_manifest(tmp_path)
