"""`bertkit pick-eval`: which records, where they go, and what a second run does."""

from __future__ import annotations

import json
import struct


def frames(path) -> list[bytes]:
    """The records of a TFRecord file by its framing: length, CRC, bytes, CRC."""
    blob, found, place = path.read_bytes(), [], 0
    while place < len(blob):
        (length,) = struct.unpack_from("<Q", blob, place)
        found.append(blob[place + 12 : place + 12 + length])
        place += length + 16
    return found


def test_records_are_evenly_spaced_as_in_mlperf(bertkit, trained, tmp_path):
    done = bertkit("pick-eval", "-i", trained.train, "-o", tmp_path / "e", "--count", 7, "--json")
    assert done.status == 0, done.err
    assert (done.result["records"], done.result["available"]) == (7, 20)
    every = frames(trained.train)
    assert frames(tmp_path / "e" / "eval.tfrecord") == [every[int(i * (20 / 7))] for i in range(7)]
    assert f"Next: bertkit inspect {tmp_path / 'e'}" in done.err  # no training records beside it


def test_the_digest_is_that_of_the_instances(bertkit, trained, tmp_path):
    first = bertkit("pick-eval", "-i", trained.train, "-o", tmp_path / "a", "--count", 5)
    again = bertkit("pick-eval", "-i", trained.train, "-o", tmp_path / "b", "--count", 5, "--json")
    other = bertkit("pick-eval", "-i", trained.valid, "-o", tmp_path / "c", "--count", 5, "--json")
    assert f"digest {again.result['digest']}" in first.out
    assert other.result["digest"] != again.result["digest"]
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert manifest["state"] == "complete" and manifest["config"]["count"] == 5


def test_a_second_run_does_nothing_and_another_is_refused(bertkit, trained, tmp_path):
    words = ["pick-eval", "-i", trained.train, "-o", tmp_path / "e"]
    bertkit(*words, "--count", 5)
    written = (tmp_path / "e" / "eval.tfrecord").stat().st_mtime_ns
    assert bertkit(*words, "--count", 5).status == 0
    assert (tmp_path / "e" / "eval.tfrecord").stat().st_mtime_ns == written
    refused = bertkit(*words, "--count", 6)
    assert refused.status == 3 and "count 5, now 6" in refused.err
    assert bertkit(*words, "--count", 6, "--overwrite", "--json").result["records"] == 6
    assert len(frames(tmp_path / "e" / "eval.tfrecord")) == 6


def test_more_than_there_are(bertkit, trained, tmp_path):
    """Records are repeated, as MLPerf's program does."""
    more = bertkit("pick-eval", "-i", trained.valid, "-o", tmp_path / "e", "--count", 11)
    assert more.status == 0 and "repeat" in more.err
    picked = frames(tmp_path / "e" / "eval.tfrecord")
    assert len(picked) == 11 and len(set(picked)) == 10
    assert bertkit("pick-eval", "-i", trained.valid, "-o", tmp_path, "--count", 0).status == 2
