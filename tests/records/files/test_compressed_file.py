"""Record files that are compressed whole are read like those they hold."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import os
import pickle
import shutil
import subprocess
import zlib

import numpy as np
import pytest
import synthetic

from bertkit.errors import DataError
from bertkit.records.files import compressed_file
from bertkit.records.files.find import find_record_files
from bertkit.records.files.instance import instance_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.open import open_any_records, open_records
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from records.conftest import only_file


@pytest.fixture
def plain(tmp_path):
    return synthetic.write(tmp_path / "plain.tfrecord", 30)


def packed(path, content):
    path.write_bytes(gzip.compress(content))
    return path


def same(one, other):
    assert len(one) == len(other)
    numbers = np.random.default_rng(1).permutation(len(one))
    found, expected = one.batch(numbers), other.batch(numbers)
    assert all((found[name] == expected[name]).all() for name in expected)


@pytest.mark.parametrize("kind", ["graphcore", "habana-tfrecord"])
def test_packs(folders, tmp_path, kind):
    path = only_file(folders / kind)
    with open(path, "rb") as stream:
        other = packed(tmp_path / "packs", stream.read())
    same(open_records(other), open_records(path))


def test_json_lines_and_hdf5(folders, tmp_path, plain):
    for kind in ("hdf5", "habana-hdf5"):
        path = next((folders / kind).rglob("*.hdf5"))
        other = packed(tmp_path / "packs.h5", path.read_bytes())
        same(open_records(other), open_records(path))
        other.unlink()
    lines = b"".join(encode_line(instance_of(decode_example(p))) for p in read_records(plain))
    (tmp_path / "a.jsonl").write_bytes(lines)
    same(open_records(packed(tmp_path / "a.jsonl.gz", lines)), open_records(tmp_path / "a.jsonl"))
    assert find_record_files([tmp_path]) == [
        str(tmp_path / name) for name in ("a.jsonl", "a.jsonl.gz", "plain.tfrecord")
    ]


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, zlib.compress])
def test_other_compressions(tmp_path, plain, pack):
    (tmp_path / "a.tfrecord").write_bytes(pack(plain.read_bytes()))
    same(open_records(tmp_path / "a.tfrecord"), open_records(plain))


def test_other_features(shared, tmp_path):
    (path,) = sorted((shared / "data/tfrecord_samples").rglob("*.tfrecord*"))[:1]
    other = packed(tmp_path / "other.tfrecord", path.read_bytes())
    assert len(open_any_records(other)) == len(open_any_records(path))


def test_it_is_unpacked_once_until_it_changes(tmp_path, plain, caplog):
    path = packed(tmp_path / "a.tfrecord", plain.read_bytes())
    with caplog.at_level(logging.INFO, "bertkit"):
        first = open_records(path)
        again = open_records(path)
        sent = pickle.loads(pickle.dumps(first))  # as to a worker process
    assert len([line for line in caplog.messages if "unpacked once to" in line]) == 1
    same(again, sent)
    assert again.path == str(path)
    synthetic.write(plain, 31, seed=9)
    packed(path, plain.read_bytes())
    same(open_records(path), open_records(plain))
    # What was unpacked before is gone.
    folder = compressed_file._place(str(path)).parent.parent
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: gzip.compress(content)[:-9], "truncated"),
        (lambda content: zlib.compress(content)[:-9], "truncated"),
        (lambda content: gzip.compress(content)[:99] + b"\0" * 99, "damaged"),
        (lambda content: gzip.compress(content) + b"?" + gzip.compress(b""), "between two streams"),
        (lambda content: b"\x04\x22\x4d\x18" + content, "compressed with lz4"),
        (lambda content: b"PK\x03\x04" + content, "a zip archive"),
        (lambda content: gzip.compress(content[:-5]), "the file ends inside the record"),
        (lambda content: b"\x78\x9c" + content[2:], "damaged"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, plain, change, says):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(change(plain.read_bytes()))
    with pytest.raises(DataError) as caught:
        open_records(path)
    assert caught.value.message.startswith(f"{path}") and says in caught.value.message
    with pytest.raises(DataError):
        list(read_records(path))


def test_a_length_that_looks_compressed_is_no_compression(tmp_path):
    """The first record has 0x8b1f bytes, which begins a file as gzip does."""
    from bertkit.records.files.tfrecord.frames import write_records

    path = tmp_path / "a.tfrecord"
    write_records(path, [b"x" * 0x8B1F, b"y"])
    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert list(read_records(path)) == [b"x" * 0x8B1F, b"y"]
    assert compressed_file.unpacked(str(path)) == str(path)


def test_no_room_is_told(tmp_path, plain, monkeypatch):
    path = packed(tmp_path / "a.tfrecord", plain.read_bytes())
    monkeypatch.setattr(compressed_file, "cache_folder", lambda: tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match="cannot unpack") as caught:
        open_records(path)
    assert "XDG_CACHE_HOME" in caught.value.hint


WRITER = """
import sys, tensorflow as tf
for kind in ("GZIP", "ZLIB"):
    with tf.io.TFRecordWriter(f"{sys.argv[2]}/{kind}", tf.io.TFRecordOptions(kind)) as writer:
        for blob in tf.data.TFRecordDataset(sys.argv[1]):
            writer.write(blob.numpy())
"""


@pytest.mark.slow
def test_tensorflows_own_compressed_files(plain, tmp_path, tensorflow_python):
    command = [tensorflow_python, "-c", WRITER, str(plain), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr[-1000:]
    for kind in ("GZIP", "ZLIB"):
        same(open_records(tmp_path / kind), open_records(plain))
    shutil.rmtree(compressed_file.cache_folder(), ignore_errors=True)
