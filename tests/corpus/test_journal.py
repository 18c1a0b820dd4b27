from __future__ import annotations

from bertkit.corpus.journal import NOTES, Journal
from bertkit.corpus.output_folder import OutputFolder
from bertkit.manifests.manifest import Manifest, read_manifest


def test_recorded_file_is_finished_for_the_next_run_and_its_note_is_there(tmp_path):
    journal = Journal(Manifest("split", {}), OutputFolder(str(tmp_path)))
    assert not journal.finished("train/a.txt")
    assert journal.note("train/a.txt") is None
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.txt").write_bytes(b"12345")
    journal.record("train/a.txt", {"bytes": 5}, b"note")
    journal.record_note("all", b"more")
    again = Journal(read_manifest(tmp_path), OutputFolder(str(tmp_path)))
    assert again.finished("train/a.txt")
    assert (again.note("train/a.txt"), again.note("all")) == (b"note", b"more")
    other = Journal(Manifest("split", {"seed": 2}), OutputFolder(str(tmp_path)))
    assert other.note("all") is None
    (tmp_path / "train/a.txt").write_bytes(b"cut")
    assert not again.finished("train/a.txt")
    again.close()
    assert not (tmp_path / NOTES).exists()
    assert (tmp_path / "train/a.txt").is_file()
