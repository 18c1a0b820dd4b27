from __future__ import annotations

from bertkit.corpus.journal import NOTES, Ledger
from bertkit.corpus.output_folder import Stage
from bertkit.manifest import Manifest, read_manifest


def test_entered_file_is_finished_for_the_next_run_and_its_note_is_there(tmp_path):
    ledger = Ledger(Manifest("split", {}), Stage(str(tmp_path)))
    assert not ledger.finished("train/a.txt")
    assert ledger.note("train/a.txt") is None
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.txt").write_bytes(b"12345")
    ledger.enter("train/a.txt", {"bytes": 5}, b"note")
    ledger.enter_note("all", b"more")
    again = Ledger(read_manifest(tmp_path), Stage(str(tmp_path)))
    assert again.finished("train/a.txt")
    assert (again.note("train/a.txt"), again.note("all")) == (b"note", b"more")
    other = Ledger(Manifest("split", {"seed": 2}), Stage(str(tmp_path)))
    assert other.note("all") is None
    (tmp_path / "train/a.txt").write_bytes(b"cut")
    assert not again.finished("train/a.txt")
    again.close()
    assert not (tmp_path / NOTES).exists()
    assert (tmp_path / "train/a.txt").is_file()
