import itertools
import json

import pytest

from bertkit.manifests import manifest as manifests
from bertkit.manifests.manifest import JOURNAL, Manifest, begin, read_manifest, working_folder
from bertkit.storage.files import write_text

INPUTS = [{"path": str(number), "bytes": 1, "sha256": str(number)} for number in range(200)]


def run(**config):
    return Manifest("make-records", {"seed": 1, **config}, INPUTS)


def test_a_run_killed_in_a_line_resumes_and_is_killed_again(tmp_path):
    """What is appended after a line that was cut short must not be lost with it."""
    first = begin(tmp_path, run())
    first.record(tmp_path, {"a": {"bytes": 1}})
    with open(tmp_path / JOURNAL, "ab") as stream:
        stream.write(b'8badf00d {"outputs": {"b": ')
    second = begin(tmp_path, run())
    assert second.outputs.keys() == {"a"}
    second.record(tmp_path, {"c": {"bytes": 1}})
    assert begin(tmp_path, run()).outputs.keys() == {"a", "c"}


@pytest.mark.parametrize("state", ["incomplete", "complete"])
def test_a_kill_while_the_manifest_is_written_loses_no_finished_file(tmp_path, monkeypatch, state):
    manifest = begin(tmp_path, run())
    for name in "abc":
        manifest.record(tmp_path, {name: {"bytes": 1}})
    manifest.state = state

    def killed(*_):
        raise KeyboardInterrupt

    for moment in ("write_text", "manifest_journal.remove"):
        with monkeypatch.context() as patch:
            patch.setattr(f"bertkit.manifests.manifest.{moment}", killed)
            with pytest.raises(KeyboardInterrupt):
                manifest.write(tmp_path)
        assert read_manifest(tmp_path).outputs.keys() == {"a", "b", "c"}
    assert read_manifest(tmp_path).state == state
    begin(tmp_path, run())
    assert not (tmp_path / JOURNAL).exists()


def test_the_journal_of_a_manifest_that_was_replaced_says_nothing(tmp_path):
    manifest = begin(tmp_path, run())
    manifest.record(tmp_path, {"a": {"bytes": 1}})
    journal = (tmp_path / JOURNAL).read_bytes()
    other = run(seed=2)
    other.write(tmp_path)
    (tmp_path / JOURNAL).write_bytes(journal)  # killed before it was removed
    assert read_manifest(tmp_path).outputs == {}


def test_a_refused_replacement_puts_the_journal_back(tmp_path):
    manifest = begin(tmp_path, run())
    manifest.record(tmp_path, {"a": {"bytes": 1}})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt), working_folder(tmp_path, run(seed=2), overwrite=True):
        raise KeyboardInterrupt
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_line_costs_only_its_own_file(tmp_path):
    manifest = begin(tmp_path, run())
    for name in "abc":
        manifest.record(tmp_path, {name: {"bytes": 1}})
    blob = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(blob.replace(b'"b"', b'"x"'))
    assert read_manifest(tmp_path).outputs.keys() == {"a", "c"}


def test_a_half_done_folder_of_an_earlier_version_resumes(tmp_path):
    begin(tmp_path, run())
    lines = [json.dumps({"outputs": {name: {"bytes": 1}}, "empty": []}) for name in "ab"]
    write_text(tmp_path / JOURNAL, "\n".join(lines) + '\n{"outp')
    found = begin(tmp_path, run())
    assert found.outputs.keys() == {"a", "b"}
    found.record(tmp_path, {"c": {"bytes": 1}})
    assert begin(tmp_path, run()).outputs.keys() == {"a", "b", "c"}
    # One that lies beside the manifest of another run, though, goes first.
    write_text(tmp_path / JOURNAL, "\n".join(lines) + "\n")
    begin(tmp_path, run(seed=2), overwrite=True)
    assert read_manifest(tmp_path).outputs == {} and not (tmp_path / JOURNAL).exists()


def test_bytes_written_for_a_file_do_not_grow_with_their_number(tmp_path, monkeypatch):
    written = []
    original = manifests.write_text
    monkeypatch.setattr(
        manifests, "write_text", lambda path, text: (written.append(text), original(path, text))
    )
    manifest = begin(tmp_path, run())
    sizes = []
    for number in range(300):
        manifest.record(tmp_path, {f"part-{number:05d}": {"bytes": 1}})
        sizes.append((tmp_path / JOURNAL).stat().st_size)
    assert len(written) == 1
    assert {b - a for a, b in itertools.pairwise(sizes)} == {sizes[1] - sizes[0]}
