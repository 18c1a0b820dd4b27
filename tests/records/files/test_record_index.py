"""Indexes beside record files and in the cache: found, made once, renewed, and never believed
where they contradict the file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files import record_index
from bertkit.records.files.index_file import read_index
from bertkit.records.files.jsonl import JsonLinesFile
from bertkit.records.files.open import open_any_records, open_records
from bertkit.records.files.packs.packed import PackFile
from bertkit.records.files.record_index import (
    FOLDER,
    OFFSETS,
    content_digest,
    index_path,
    open_index,
    write_own_index,
)
from bertkit.records.files.tfrecord.external_records import ExternalFile
from bertkit.records.files.tfrecord.frames import encode_example, frame
from bertkit.records.files.tfrecord.reader import TfRecordFile, frame_offsets


def write(path: Path, *numbers: int) -> Path:
    payloads = (encode_example({"some_numbers": np.arange(n)}) for n in numbers)
    path.write_bytes(b"".join(map(frame, payloads)))
    return path


@pytest.fixture
def scans(monkeypatch):
    """Counts the files that are read whole."""
    counted = []

    def counting(function):
        def scan(self):
            counted.append(Path(self.path).name)
            return function(self)

        return scan

    for kind in (TfRecordFile, JsonLinesFile, PackFile):
        monkeypatch.setattr(kind, "_scan", counting(kind._scan))
    return counted


def test_a_file_from_elsewhere_is_scanned_once(tmp_path, scans):
    path = write(tmp_path / "a.tfrecord", 3, 300, 30000)
    for _ in range(3):
        file = ExternalFile(path)
        assert [len(file.read(n).features["some_numbers"]) for n in range(3)] == [3, 300, 30000]
    assert scans == ["a.tfrecord"]
    assert file.index.path == tmp_path / FOLDER / "a.tfrecord.index"
    # Through a link it is the same file, whose index is found.
    (tmp_path / "links").mkdir()
    (tmp_path / "links/b.tfrecord").symlink_to(path)
    assert len(ExternalFile(tmp_path / "links/b.tfrecord")) == 3
    assert scans == ["a.tfrecord"]


def test_a_changed_file_is_scanned_again(tmp_path, scans):
    path = write(tmp_path / "a.tfrecord", 3, 4, 5)
    assert len(TfRecordFile(path)) == 3
    # Of the same size and time, but other bytes at its end; then only of another time.
    times = path.stat()
    write(path, 3, 5, 4)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert len(TfRecordFile(path).record(1)) > len(TfRecordFile(path).record(2))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert len(TfRecordFile(path)) == 3
    assert len(scans) == 3
    write(path, 3)
    assert len(TfRecordFile(path)) == 1


def test_a_damaged_index_is_made_again(tmp_path, scans, caplog):
    path = write(tmp_path / "a.tfrecord", 3, 4)
    place = TfRecordFile(path).index.path
    whole = place.read_bytes()
    for damaged in (whole[:100], whole[:30] + b"x" + whole[31:], b"", whole + b"x"):
        place.write_bytes(damaged)
        assert len(TfRecordFile(path)) == 2
        assert place.read_bytes() == whole
    assert len(scans) == 5
    assert caplog.text.count(f"{place}") == 4


def test_read_only_folders_have_their_indexes_in_the_cache(tmp_path, scans, monkeypatch, caplog):
    monkeypatch.setattr(record_index, "cache_folder", lambda: tmp_path / "cache")
    folder = tmp_path / "data"
    folder.mkdir()
    path = write(folder / "a.tfrecord", 3, 4)
    folder.chmod(0o555)
    try:
        assert len(TfRecordFile(path)) == len(TfRecordFile(path)) == 2
        assert scans == ["a.tfrecord"] and not (folder / FOLDER).exists()
        assert TfRecordFile(path).index.path.parent == tmp_path / "cache/record-index"
        # Where nothing can be kept, all works, and that is said once.
        monkeypatch.setattr(record_index, "cache_folder", lambda: path / "no-folder")
        assert len(TfRecordFile(path)) == len(TfRecordFile(path)) == 2
        assert len(scans) == 3
        assert caplog.text.count("no index can be kept") == 1
    finally:
        folder.chmod(0o755)


def test_an_index_that_came_with_the_file_must_fit_it(tmp_path, scans):
    path = write(tmp_path / "a.tfrecord", 3, 400)
    write_own_index(path, {"records": 2}, {OFFSETS: frame_offsets(str(path))})
    # It belongs to every copy, whatever its times.
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert len(TfRecordFile(tmp_path / "copy/a.tfrecord")) == 2
    os.utime(path, (1, 1))
    assert len(TfRecordFile(path)) == 2 and not scans
    for other, what in (((3, 4), "another size"), ((400, 3), "another content")):
        write(path, *other)
        with pytest.raises(DataError, match=what) as caught:
            TfRecordFile(path)
        assert str(path) in caught.value.message and str(index_path(path)) in caught.value.message
        assert "remove the index" in caught.value.hint
    index_path(path).unlink()
    assert len(TfRecordFile(path)) == 2


@pytest.mark.parametrize("shift", [[0, 1, 0], [0, -3, 0], [0, 1 << 40, 0], [0, -(1 << 40), 0]])
def test_wrong_places_are_noticed_when_they_are_read(tmp_path, shift):
    path = write(tmp_path / "a.tfrecord", 3, 4)
    offsets = frame_offsets(str(path)) + np.array(shift)
    write_own_index(path, {"records": 2}, {OFFSETS: offsets})
    file = TfRecordFile(path)
    kinds = {"some_numbers": (3, False)}
    for read in (lambda: file.record(0), lambda: file.columns([0], kinds)):
        with pytest.raises(DataError, match=r"where the index .* says it is") as caught:
            read()
        assert "remove the index" in caught.value.hint


def test_wrong_lines_and_packs_are_noticed_when_they_are_read(folders_of_two_kinds):
    lines, packs = folders_of_two_kinds
    file = open_records(lines)
    index = file.index
    write_own_index(lines, index.facts, {OFFSETS: index.columns[OFFSETS].all() + 1})
    with pytest.raises(DataError, match="no line begins at byte 1, where the index"):
        open_records(lines).batch([0])
    file = open_records(packs)
    columns = {name: column.all() for name, column in file.index.columns.items()}
    columns["ends"][0] += 1
    write_own_index(packs, file.index.facts, columns)
    with pytest.raises(DataError, match=r"has \d sequences, the index .* says \d"):
        open_records(packs).batch([0])


@pytest.fixture
def folders_of_two_kinds(tmp_path, text):
    from bertkit.records.config import RecordsConfig
    from bertkit.records.make import make_records

    for name, more in (("jsonl", {"style": "hf"}), ("packs", {"packing": "graphcore"})):
        config = RecordsConfig(max_seq_length=64, dupe_factor=1, **more)
        make_records(config, [text], tmp_path / name, "bertkit-uncased-8k")
    return tmp_path / "jsonl/story.json", tmp_path / "packs/story.tfrecord"


def test_what_make_records_indexed_is_what_a_scan_finds(folders, scans):
    """Of every format; an index from elsewhere differs in its facts alone."""
    for path in sorted(folders.glob("*/story*.[!i]*")):
        made = read_index(index_path(path))
        if made is None:  # plain HDF5 knows where its rows are
            assert path.suffix == ".hdf5"
            continue
        own = open_any_records(path)
        assert not scans and own.index.path == made.path
        columns, facts = type(own)._scan(own)[::-1]
        scans.clear()
        assert set(made.columns) == set(columns)
        for name, values in columns.items():
            assert np.array_equal(made.columns[name].all(), values), (path, name)
        assert made.facts["records"] == facts["records"]
        assert "modified_ns" not in made.facts


def test_a_content_digest_is_computed_once_for_a_file(tmp_path):
    path = write(tmp_path / "a.tfrecord", 3, 4)
    asked = []
    for _ in range(2):
        assert content_digest(str(path), lambda name: asked.append(name) or "first") == "first"
    assert len(TfRecordFile(path)) == 2  # and the index still says where records are
    assert content_digest(str(path), lambda name: "wrong") == "first"
    write(path, 3, 5)
    assert content_digest(str(path), lambda name: "second") == "second"
    # Neither does an index without it keep it from being computed, nor lose it.
    assert len(TfRecordFile(path)) == 2
    assert content_digest(str(path), lambda name: "wrong") == "second"
    assert asked == [str(path)]


@pytest.mark.slow
def test_processes_scan_a_file_once_together(tmp_path):
    path = write(tmp_path / "a.tfrecord", *range(200))
    program = (
        "import sys, time\n"
        "from bertkit.records.files.tfrecord.reader import TfRecordFile\n"
        "scan = TfRecordFile._scan\n"
        "def slow(self):\n"
        "    print('scan', flush=True)\n"
        "    time.sleep(0.3)\n"
        "    return scan(self)\n"
        "TfRecordFile._scan = slow\n"
        "assert len(TfRecordFile(sys.argv[1])) == 200\n"
    )
    words = [sys.executable, "-c", program, str(path)]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert b"".join(said) == b"scan\n"


def test_a_file_that_is_gone_is_named(tmp_path):
    def scan():
        raise DataError("no such file")

    with pytest.raises(DataError, match="no such file"):
        open_index(str(tmp_path / "none"), scan)
    assert json.dumps([str(path) for path in tmp_path.rglob("*.index")]) == "[]"
