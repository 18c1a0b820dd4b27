"""Opening costs as much for a file, however large it is, and reads none of its records."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import synthetic

from bertkit.data import record_source
from bertkit.data.record_source import RecordSource
from bertkit.data.text_source import TextSource
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.hdf5.files import PACKED, PLAIN, Datasets, Hdf5Writer, open_file
from bertkit.records.files.open import open_any_records
from bertkit.records.files.record_index import FOLDER, index_path, write_own_index
from bertkit.records.files.tfrecord.frames import read_records, write_records
from bertkit.records.make import make_records

VOCAB = "bertkit-uncased-8k"
MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")
FORMATS = {
    "tfrecord": {},
    "jsonl": {"format": "jsonl"},
    "hdf5": {"format": "hdf5"},
    "packs": {"packing": "graphcore"},
    "hdf5-packs": {"packing": "habana", "format": "hdf5"},
}


def mapped_bytes(path: Path) -> int:
    """Bytes of a file and its index that this process has mapped and touched."""
    found, inside = 0, False
    # Other tests map files whose names are no UTF-8.
    told = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="surrogateescape")
    for line in told.splitlines():
        if match := MAPPING.match(line):
            inside = match[1] in (str(path), str(index_path(path)))
        elif inside and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found


def read_bytes() -> int:
    """Bytes that this process has read by system calls."""
    return int(Path("/proc/self/io").read_text().split()[1])


def opened(place: Path) -> tuple[RecordSource, int]:
    """A source, and the bytes that were read to open it."""
    before = read_bytes()
    source = RecordSource([str(place)])
    return source, read_bytes() - before + mapped_bytes(place)


def repeated(path: Path, times: int) -> None:
    """Make a file hold its records many times over."""
    if path.suffix != ".hdf5":
        path.write_bytes(path.read_bytes() * times)
        return
    with open_file(str(path)) as file:
        kinds = PACKED if "positions" in file else PLAIN
    rows = Datasets(str(path), kinds).rows(slice(None))
    writer = Hdf5Writer(str(path), kinds)
    writer.add({name: np.concatenate([values] * times) for name, values in rows.items()})
    writer.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A record file of each format that has a few pages at least."""
    place = tmp_path_factory.mktemp("small")
    lines = (f"The ship {n} went to sea.\nIts captain saw {n} whales.\n" for n in range(60))
    (place / "story.txt").write_text("\n".join(lines))
    for name, more in FORMATS.items():
        config = RecordsConfig(max_seq_length=64, dupe_factor=2, **more)
        make_records(config, [str(place / "story.txt")], place / name, VOCAB)
    return place


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="counts as Linux does")
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("tfrecord", True),
        pytest.param("tfrecord", False, marks=pytest.mark.slow),
        pytest.param("jsonl", True, marks=pytest.mark.slow),
        ("hdf5", False),
        pytest.param("packs", False, marks=pytest.mark.slow),
        pytest.param("hdf5-packs", True, marks=pytest.mark.slow),
    ],
)
def test_a_file_of_a_hundred_times_the_size_is_opened_alike(small, tmp_path, name, own):
    (path,) = (small / name).glob("story*.[!i]*")
    counts, sizes, read = [], [], []
    for times in (1, 100):
        place = tmp_path / str(times)
        place.mkdir()
        copy = place / path.name
        copy.write_bytes(path.read_bytes())
        repeated(copy, times)
        if own:
            index = open_any_records(copy).index
            columns = {key: column.all() for key, column in index.columns.items()}
            facts = {key: fact for key, fact in index.facts.items() if key != "modified_ns"}
            write_own_index(copy, facts, columns)
            outputs = {copy.name: {"sha256": "0"}}
            Manifest("make-records", {}, outputs=outputs, state="complete").write(place)
        else:
            RecordSource([str(copy)])  # scans it
        source, touched = opened(copy)
        counts.append(len(source))
        sizes.append(copy.stat().st_size)
        read.append(touched)
    assert counts[1] == 100 * counts[0] and sizes[1] > 9 * sizes[0]
    # HDF5 keeps a list of its chunks, which is read to see whether they can hold what it claims.
    # Of a text file 64 kB at most are looked at to see what it is.
    more = {".hdf5": 8000, ".jsonl": 1 << 16}.get(path.suffix, 1000)
    # Python reads ahead by a buffer in each of the few files that it opens: 8 kB, from 3.14 on 128.
    ahead = 5 * (io.DEFAULT_BUFFER_SIZE - 8192)
    assert read[1] < read[0] + more + ahead and read[0] + more < sizes[1] / 4
    assert mapped_bytes(copy) == 0
    source.batch(np.arange(3))
    assert path.suffix != ".tfrecord" or mapped_bytes(copy) > 0


def test_records_without_an_index_are_those_with_one(small, tmp_path):
    """Of versions that wrote none: read as before, with the same fingerprint."""
    place = tmp_path / "old"
    place.mkdir()
    for path in (small / "tfrecord").glob("[!.]*"):
        (place / path.name).write_bytes(path.read_bytes())
    manifest = read_manifest(place)
    for facts in manifest.outputs.values():
        assert {"index_bytes", "index_sha256"} <= facts.keys()
        del facts["index_bytes"], facts["index_sha256"]
    manifest.write(place)
    new, old = (RecordSource([str(folder)]) for folder in (small / "tfrecord", place))
    assert new.fingerprint == old.fingerprint
    which = np.arange(0, len(new), 7)
    for name, values in new.batch(which).items():
        assert np.array_equal(values, old.batch(which)[name])
    again = make_records(
        RecordsConfig(max_seq_length=64, dupe_factor=2),
        [str(small / "story.txt")],
        place,
        VOCAB,
    )
    assert again.made == 0


def test_the_manifest_names_the_index_which_comes_back_when_it_is_gone(small, tmp_path):
    for name in ("tfrecord", "jsonl", "packs", "hdf5-packs"):
        place = small / name
        ((file, facts),) = read_manifest(place).outputs.items()
        index = place / FOLDER / f"{file}.index"
        blob = index.read_bytes()
        assert facts["index_bytes"] == len(blob)
        assert facts["index_sha256"] == hashlib.sha256(blob).hexdigest()
        index.unlink()
        config = RecordsConfig(max_seq_length=64, dupe_factor=2, **FORMATS[name])
        again = make_records(config, [str(small / "story.txt")], place, VOCAB)
        assert again.made == 0 and index.read_bytes() == blob
        # And one whose record file is gone, of an earlier run, goes with --overwrite.
        orphan = place / FOLDER / "other.index"
        orphan.write_bytes(blob)
        make_records(config, [str(small / "story.txt")], place, VOCAB, overwrite=True)
        assert not orphan.exists() and index.read_bytes() == blob


def test_the_fingerprint_of_files_from_elsewhere_is_what_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.tfrecord"
    synthetic.write(path, 5, seed=1)
    blob = path.read_bytes()
    content = hashlib.sha256(blob).hexdigest()
    expected = hashlib.sha256(f"a.tfrecord {len(blob)} {content}\n".encode()).hexdigest()
    assert RecordSource([str(path)]).fingerprint == expected
    monkeypatch.setattr("bertkit.data.record_source._content_hash", None)  # it is kept
    assert RecordSource([str(path)]).fingerprint == expected


def test_texts_are_not_read_again(tmp_path, monkeypatch):
    text = tmp_path / "story.txt"
    text.write_text("the sea\nthe ship went to sea\n\nits captain saw it\nthe whale\n" * 50)
    os.utime(text, (1, 1))
    config = RecordsConfig(max_seq_length=32, dupe_factor=2)
    before = TextSource([str(text)], config, VOCAB, tmp_path / "cache").fingerprint
    monkeypatch.setattr("bertkit.data.text_digests.sha256_of", None)
    monkeypatch.setattr("bertkit.data.text_source._make", None)
    assert TextSource([str(text)], config, VOCAB, tmp_path / "cache").fingerprint == before
    assert len(json.loads((tmp_path / "cache/digests.json").read_text())) == 1


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_refused(small, tmp_path):
    place = tmp_path / "records"
    shutil.copytree(small / "tfrecord", place)  # with the times of its files
    RecordSource([str(place)])
    path = next(place.glob("*.tfrecord"))
    frames = list(read_records(path))
    frames[20:-20] = frames[20:-20][::-1]  # the same first and last bytes
    write_records(path, frames)
    with pytest.raises(DataError, match="is not the file of its manifest"):
        RecordSource([str(place)])


def test_a_copy_is_read_once(small, tmp_path, monkeypatch):
    place = tmp_path / "records"
    shutil.copytree(
        small / "tfrecord", place, copy_function=shutil.copyfile
    )  # with times of its own
    for path in place.rglob("*"):
        later = 1 if path.name == "manifest.json" else 10
        os.utime(path, ns=(later * 10**9, later * 10**9))
    read = []
    real = record_source.checksums_digest
    count = {"crc_sha256": lambda path: read.append(path) or real(path)}
    monkeypatch.setattr(record_source, "_HASHES", count)
    sources = [RecordSource([str(place)]) for _ in range(3)]
    assert len(read) == 1
    original = RecordSource([str(small / "tfrecord")]).fingerprint
    assert {source.fingerprint for source in sources} == {original}
