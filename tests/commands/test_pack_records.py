"""`bertkit pack-records`: its result for people, and what it refuses."""

from __future__ import annotations


def test_result_for_people_and_next_step(bertkit, trained, tmp_path):
    out = tmp_path / "packs"
    done = bertkit("pack-records", "-i", trained.valid, "-o", out, "--packing", "graphcore")
    assert done.status == 0, done.err
    assert "10 sequences in" in done.out and f"in 1 file in {out} (1 made now" in done.out
    assert f"Next: bertkit inspect {out}" in done.err
    again = bertkit("pack-records", "-i", trained.valid, "-o", out, "--packing", "graphcore")
    assert "(0 made now" in again.out


def test_text_is_no_records(bertkit, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("One sentence.\n")
    done = bertkit("pack-records", "-i", text, "-o", tmp_path / "packs")
    assert done.status == 3 and "Traceback" not in done.err and str(text) in done.err
    assert not (tmp_path / "packs").exists()
