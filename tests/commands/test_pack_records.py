"""`bertkit pack-records`: its result for people, and what it refuses."""

from __future__ import annotations

import fsspec


def test_result_for_people_and_next_step(bertkit, trained, tmp_path):
    out = tmp_path / "packs"
    done = bertkit("pack-records", "-i", trained.valid, "-o", out, "--packing", "graphcore")
    assert done.status == 0, done.err
    assert "10 sequences in" in done.out and f"in 1 file in {out} (1 made now" in done.out
    assert f"Next: bertkit inspect {out}" in done.err
    again = bertkit("pack-records", "-i", trained.valid, "-o", out, "--packing", "graphcore")
    assert "(0 made now" in again.out


def test_records_in_storage_are_copied_first(bertkit, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.put(str(trained.valid), "/packs/valid.tfrecord")
    words = ["pack-records", "-i", "memory://packs/valid.tfrecord", "-o", tmp_path / "far"]
    try:
        planned = bertkit(*words, "--dry-run", "--json").result
        done = bertkit(*words)
    finally:
        system.rm("/packs", recursive=True)
    assert planned["files_to_copy"] == 1 and planned["copied_bytes"] == trained.valid.stat().st_size
    assert done.status == 0, done.err
    assert bertkit("pack-records", "-i", trained.valid, "-o", tmp_path / "near").status == 0
    far, near = (next((tmp_path / name).glob("*.hdf5")) for name in ("far", "near"))
    assert far.read_bytes() == near.read_bytes()


def test_text_is_no_records(bertkit, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("One sentence.\n")
    done = bertkit("pack-records", "-i", text, "-o", tmp_path / "packs")
    assert done.status == 3 and "Traceback" not in done.err and str(text) in done.err
    assert not (tmp_path / "packs").exists()
