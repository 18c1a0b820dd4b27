import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import (
    HIDDEN_FOLDER,
    JOURNAL,
    Manifest,
    begin,
    describe_inputs,
    manifest_path,
    read_manifest,
    require_complete,
    working_folder,
)


def planned(tmp_path, **config):
    source = tmp_path / "in.txt"
    source.write_text("text")
    return Manifest("make-records", {"seed": 1, **config}, describe_inputs([str(source)]))


def test_same_run_continues_and_another_is_refused(tmp_path):
    out = tmp_path / "out"
    first = begin(out, planned(tmp_path))
    first.outputs["a.tfrecord"] = {"records": 3}
    first.write(out)
    again = begin(out, planned(tmp_path))
    assert again.outputs == {"a.tfrecord": {"records": 3}}
    with pytest.raises(DataError, match="seed 1, now 2") as caught:
        begin(out, planned(tmp_path, seed=2))
    assert "--overwrite" in caught.value.hint


def test_work_begun_with_other_tables_of_characters_is_not_gone_on_with(tmp_path):
    """Python was updated in between: half of the output would treat characters differently."""
    out = tmp_path / "out"
    first = begin(out, planned(tmp_path))
    first.versions["unicode"] = "14.0.0"
    now = planned(tmp_path)
    now.versions["unicode"] = "16.0.0"
    first.write(out)
    assert not begin(out, now).complete, "nothing is made yet"
    first.outputs["a.tfrecord"] = {"records": 3}
    first.write(out)
    with pytest.raises(DataError, match=r"Python's Unicode 14\.0\.0, now 16\.0\.0"):
        begin(out, now)
    first.state = "complete"
    first.write(out)
    assert begin(out, now).complete


def test_changed_input_is_refused(tmp_path):
    out = tmp_path / "out"
    begin(out, planned(tmp_path))
    other = planned(tmp_path)
    other.inputs[0]["sha256"] = "0" * 64
    with pytest.raises(DataError, match="1 of them changed"):
        begin(out, other)


def test_overwrite_removes_what_the_other_run_made(tmp_path):
    out = tmp_path / "out"
    first = begin(out, planned(tmp_path))
    (out / "a.tfrecord").write_text("old")
    first.outputs["a.tfrecord"] = {}
    first.write(out)
    with working_folder(out, planned(tmp_path, seed=2), overwrite=True) as fresh:
        assert fresh.outputs == {}
        assert (out / "a.tfrecord").exists(), "it goes when the new run is complete"
        fresh.outputs["b.tfrecord"] = {}
        fresh.state = "complete"
        fresh.write(out)
    assert not (out / "a.tfrecord").exists()
    assert read_manifest(out).replaces == []


def test_a_folder_with_strange_files_is_refused(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("precious")
    with pytest.raises(DataError, match="not empty"):
        begin(out, planned(tmp_path))
    assert (out / "thesis.doc").exists()


def test_an_incomplete_folder_is_refused_by_readers(tmp_path):
    out = tmp_path / "out"
    manifest = begin(out, planned(tmp_path))
    with pytest.raises(DataError, match="did not finish"):
        require_complete(out)
    manifest.state = "complete"
    manifest.write(out)
    assert require_complete(out).complete
    assert require_complete(tmp_path) is None


@pytest.mark.parametrize("text", ['{"a": 1}', '{"text": "a"}\n{"text": "b"}\n', "[]", ""])
def test_a_manifest_of_another_program_is_none_and_is_not_overwritten(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert read_manifest(tmp_path) is None
    for overwrite in (False, True):
        with (
            pytest.raises(DataError, match="belongs to another program"),
            working_folder(tmp_path, Manifest("extract", {}), overwrite),
        ):
            pass
    assert (tmp_path / "manifest.json").read_text() == text


def test_a_manifest_of_a_later_version_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text('{"command": "x", "config": {}, "more": 1}')
    with pytest.raises(DataError, match="not a bertkit manifest"):
        read_manifest(tmp_path)


def test_the_manifest_of_many_files_is_kept_by_a_journal(tmp_path):
    manifest = Manifest("x", {}, [{"path": str(n)} for n in range(1000)])
    manifest.write(tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    manifest.record(tmp_path, {"a": {"bytes": 1}})
    manifest.record(tmp_path, {}, ["b"])
    assert (tmp_path / "manifest.json").read_bytes() == before
    with open(tmp_path / ".manifest.journal", "ab") as stream:
        stream.write(b'{"outputs": {"c": ')  # a process was killed
    found = read_manifest(tmp_path)
    assert found.outputs == {"a": {"bytes": 1}} and found.stats == {"empty": ["b"]}
    found.write(tmp_path)
    assert read_manifest(tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def run_that_made(out, tmp_path, name="a.tfrecord", **config):
    with working_folder(out, planned(tmp_path, **config)) as manifest:
        (out / name).write_text("old")
        manifest.outputs[name] = {"bytes": 3}
        manifest.state = "complete"
        manifest.write(out)


def test_what_is_refused_or_fails_at_once_leaves_the_folder_as_it_was(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="bad text"), working_folder(out, planned(tmp_path)):
        raise DataError("bad text")
    assert not out.exists(), "with other settings it needs no --overwrite"
    run_that_made(out, tmp_path)
    before = (out / "manifest.json").read_bytes()
    for error in (DataError("bad text"), OSError(28, "No space left"), KeyboardInterrupt()):
        with pytest.raises(type(error)), working_folder(out, planned(tmp_path, seed=2), True):
            raise error
        assert (out / "manifest.json").read_bytes() == before
        assert (out / "a.tfrecord").read_text() == "old"


def test_an_interrupted_replacement_is_resumed_by_the_same_command(tmp_path):
    out = tmp_path / "out"
    run_that_made(out, tmp_path)
    new = planned(tmp_path, seed=2)
    with pytest.raises(KeyboardInterrupt), working_folder(out, new, True) as manifest:
        (out / "b.tfrecord").write_text("new")
        manifest.outputs["b.tfrecord"] = {"bytes": 3}
        manifest.write(out)
        raise KeyboardInterrupt
    assert (out / "a.tfrecord").exists()
    with working_folder(out, planned(tmp_path, seed=2), True) as manifest:
        assert manifest.outputs == {"b.tfrecord": {"bytes": 3}}
        manifest.state = "complete"
        manifest.write(out)
    assert sorted(path.name for path in out.iterdir()) == ["b.tfrecord", "manifest.json"]


def test_inputs_below_the_output_are_not_replaced(tmp_path):
    out = tmp_path / "out"
    run_that_made(out, tmp_path)
    new = planned(tmp_path, seed=2)
    reads = [str(out / "." / "a.tfrecord")]
    with pytest.raises(DataError, match="is an input of this run and an output of the one in"):
        begin(out, new, overwrite=True, reads=reads)
    new.inputs = describe_inputs(reads)
    with pytest.raises(DataError, match=r"a\.tfrecord is an input of this run"):
        begin(out, new, overwrite=True)
    assert (out / "a.tfrecord").read_text() == "old"


@pytest.mark.parametrize("name", ["../precious.txt", "{tmp_path}/precious.txt", "link/../../x"])
@pytest.mark.parametrize("field", ["outputs", "replaces", "journal"])
def test_a_manifest_has_no_power_over_files_elsewhere(tmp_path, name, field):
    out, precious = tmp_path / "out", tmp_path / "precious.txt"
    precious.write_text("precious")
    run_that_made(out, tmp_path)
    name = name.format(tmp_path=tmp_path)
    manifest = read_manifest(out)
    manifest.state = "incomplete"
    if field == "replaces":
        manifest.replaces = [name]
    elif field == "outputs":
        manifest.outputs[name] = {"bytes": 8}
    manifest.write(out)
    if field == "journal":
        entry = {"outputs": {name: {"bytes": 8}}, "empty": []}
        (out / JOURNAL).write_text(json.dumps(entry) + "\n")
    for overwrite in (True, False):
        run = working_folder(out, planned(tmp_path, seed=2), overwrite=overwrite)
        with pytest.raises(DataError, match="no file below its folder"), run:
            pass
    assert precious.read_text() == "precious" and (out / "a.tfrecord").exists()


def test_a_link_in_a_folder_does_not_lead_its_deletions_elsewhere(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("precious")
    run_that_made(out, tmp_path)
    (out / "train").symlink_to(elsewhere)
    (out / "folder").mkdir()
    manifest = read_manifest(out)
    manifest.outputs |= {"train/precious.txt": {}, "folder": {}}
    manifest.write(out)
    with working_folder(out, planned(tmp_path, seed=2), overwrite=True) as manifest:
        manifest.outputs["b"] = {}
        manifest.state = "complete"
        manifest.write(out)
    assert (elsewhere / "precious.txt").exists() and (out / "folder").is_dir()
    assert not (out / "a.tfrecord").exists()


DAMAGE = [
    ("outputs", []),
    ("outputs", {"a": 3}),
    ("outputs", {"a": {"bytes": "9"}}),
    ("outputs", {"a": {"bytes": -9}}),
    ("inputs", {"a": 1}),
    ("inputs", ["a"]),
    ("stats", []),
    ("state", "almost"),
    ("replaces", "a"),
    ("replaces", [3]),
]


@pytest.mark.parametrize(("key", "value"), DAMAGE)
@pytest.mark.parametrize("checksum", [True, False])
def test_a_manifest_that_is_not_what_was_written_is_refused(tmp_path, key, value, checksum):
    out = tmp_path / "out"
    run_that_made(out, tmp_path)
    values = json.loads((out / "manifest.json").read_text())
    if not checksum:  # as earlier versions wrote it
        del values["checksum"]
        assert read_manifest_of(out, values).complete
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_manifest_of(out, {**values, key: value})


def read_manifest_of(folder, values):
    (folder / "manifest.json").write_text(json.dumps(values))
    return read_manifest(folder)


def test_a_fact_that_is_missing_is_an_error_of_the_manifest(tmp_path):
    out = tmp_path / "out"
    run_that_made(out, tmp_path)
    with pytest.raises(DataError, match=r"damaged.*'sentences'"):
        read_manifest(out).outputs["a.tfrecord"]["sentences"]


def test_what_a_kill_leaves_of_the_first_manifest_is_no_obstacle(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".manifest.json.partial-0").write_text("{")
    (out / ".bertkit.lock").write_text("{}")
    with working_folder(out, planned(tmp_path)) as manifest:
        assert manifest.outputs == {}
    assert [path.name for path in out.iterdir()] == ["manifest.json"]


def test_a_hidden_manifest_is_found_moved_and_put_back(tmp_path):
    """For a program that opens every file of a folder; another's `manifest.json` stays."""
    out = tmp_path / "out"
    begin(out, planned(tmp_path))
    hidden = replace(planned(tmp_path), hidden=True)
    assert begin(out, hidden).hidden  # the same run, of a version that did not hide it
    assert not (out / "manifest.json").exists()
    assert [path.name for path in out.iterdir()] == [HIDDEN_FOLDER]
    assert read_manifest(out).hidden and manifest_path(out).parent.name == HIDDEN_FOLDER
    other = replace(planned(tmp_path, seed=2), hidden=False)
    with (
        pytest.raises(DataError, match="no records"),
        working_folder(out, other, overwrite=True),
    ):
        assert not read_manifest(out).hidden
        raise DataError("no records")
    assert read_manifest(out) == replace(hidden, inputs=read_manifest(out).inputs)
    assert not (out / "manifest.json").exists()
    (out / "manifest.json").write_text('{"files": []}')
    read_manifest(out).write(out)
    assert (out / "manifest.json").read_text() == '{"files": []}'


def test_more_than_a_hundred_finished_files_go_to_the_journal(tmp_path, monkeypatch):
    manifest = Manifest("extract", {})
    written = []

    def write(path, text):
        written.append(path)
        path.write_text(text)

    monkeypatch.setattr("bertkit.manifests.manifest.write_text", write)
    for number in range(300):
        manifest.record(tmp_path, {f"a{number}": {"bytes": number}})
    assert len(written) < 101
    # And the line that names the manifest.
    assert (tmp_path / JOURNAL).read_bytes().count(b"\n") == 1 + 300 - len(written)


def test_the_journal_of_very_many_files_waits_for_the_disk_now_and_then(tmp_path, monkeypatch):
    synced: list[int] = []
    manifest = Manifest("extract", {}, inputs=[{}] * 100)
    manifest.write(tmp_path)
    monkeypatch.setattr("bertkit.manifests.journal.sync_path", lambda path: None)
    monkeypatch.setattr("bertkit.manifests.journal.os.fsync", synced.append)
    monkeypatch.setattr("bertkit.manifests.manifest.time.monotonic", lambda: 1000.0)
    for number in range(20):
        manifest.record(tmp_path, {f"a{number}": {"bytes": number}})
        # Each is there for another process all the same.
        assert (tmp_path / JOURNAL).read_bytes().count(b"\n") == number + 2  # with its head
    assert len(synced) == 1
    monkeypatch.setattr("bertkit.manifests.manifest.time.monotonic", lambda: 1002.0)
    manifest.record(tmp_path, {"b": {"bytes": 1}})
    assert len(synced) == 2


def test_a_manifest_goes_round_under_a_locale_of_ascii(tmp_path):
    program = """
import sys
from bertkit.manifests.manifest import Manifest, read_manifest
assert sys.flags.utf8_mode == 0
path = "K\\u00f6ln/" + b"\\xf6.txt".decode("utf-8", "surrogateescape")
Manifest("extract", {"language": "T\\u00fcrk\\u00e7e"}, [{"path": path}]).write(sys.argv[1])
found = read_manifest(sys.argv[1])
assert found.inputs == [{"path": path}] and found.config == {"language": "T\\u00fcrk\\u00e7e"}
"""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    place = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(
        command, env={**os.environ, **ascii_only, **place}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert read_manifest(tmp_path).inputs[0]["path"].startswith("Köln/")
