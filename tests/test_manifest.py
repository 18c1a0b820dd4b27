import pytest

from bertkit.errors import DataError
from bertkit.manifest import (
    Manifest,
    begin,
    describe_inputs,
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


def test_an_external_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="not a bertkit manifest"):
        read_manifest(tmp_path)
