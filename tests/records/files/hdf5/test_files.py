"""Records in HDF5 files, as NVIDIA and Habana lay them out."""

from __future__ import annotations

import gc
import hashlib
import io
import signal
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from bertkit.errors import DataError, MissingDependencyError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.hdf5 import files as hdf5
from bertkit.records.files.hdf5.files import Hdf5File, Hdf5Writer
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.storage.files import atomic_write
from bertkit.workers.termination import Terminated, raised_on_termination
from records import references
from records.conftest import VOCAB, only_file

# NVIDIA's program asks Python for the categories of characters, as ours does in its style.
of_unicode_14 = pytest.mark.skipif(
    unicodedata.unidata_version != "14.0.0", reason="the golden was made with Unicode 14"
)


@pytest.mark.parametrize(
    "name", ["nvidia_eval_128_d5", pytest.param("nvidia_adv_safe_128_d3", marks=of_unicode_14)]
)
def test_datasets_equal_those_of_nvidia(shared, tmp_path, name):
    """By h5py alone: names, types, compression and every row."""
    import h5py

    golden = references.outputs(shared)[name]
    args = golden["args"]
    config = RecordsConfig(
        style="nvidia", max_seq_length=args["msl"], max_predictions_per_seq=args["max_pred"],
        dupe_factor=args["dupe"], seed=args["seed"],
    )  # fmt: skip
    text = references.text_path(shared, golden["input"])
    make_records(config, [str(text)], tmp_path, references.vocab_path(shared, "vocab"))
    digest = hashlib.sha256()
    with h5py.File(only_file(tmp_path)) as file:
        data = {name: file[name][:] for name in sorted(file)}
        kinds = {name: (file[name].dtype.str, file[name].compression) for name in file}
        assert {file[name].compression_opts for name in file} == {4}
    for number in range(golden["records"]):
        for key, values in data.items():
            digest.update(key.encode() + b"\0")
            digest.update(np.atleast_1d(values[number]).astype("<i8").tobytes())
    assert digest.hexdigest() == golden["digest"]
    small, large = ("|i1", "gzip"), ("<i4", "gzip")
    assert kinds == {
        "input_ids": large, "input_mask": small, "segment_ids": small,
        "masked_lm_positions": large, "masked_lm_ids": large, "next_sentence_labels": small,
    }  # fmt: skip
    assert {len(values) for values in data.values()} == {golden["records"]}


@pytest.mark.parametrize("name", ["hdf5", "habana-hdf5"])
def test_hdf5_files_need_not_fit_into_memory(folders, monkeypatch, name):
    path = only_file(folders / name)
    expected = open_records(path).batch([5, 2, 9, 2])
    monkeypatch.setattr(hdf5, "MEMORY", hdf5.Room(0))
    found = open_records(path).batch([5, 2, 9, 2])
    for feature, values in expected.items():
        np.testing.assert_array_equal(found[feature], values, err_msg=feature)


@pytest.mark.parametrize("name", ["hdf5", "habana-hdf5"])
def test_memory_is_free_again_when_a_file_is_read_no_more(folders, monkeypatch, name):
    path = only_file(folders / name)
    room = hdf5.Room(10_000_000)
    monkeypatch.setattr(hdf5, "MEMORY", room)
    first = open_records(path)
    first.batch([0])
    size = 10_000_000 - room.left
    assert size > 0
    second = open_records(path)
    second.batch([0])
    assert room.left == 10_000_000 - 2 * size, "each has its own copy"
    del first
    assert room.left == 10_000_000 - size
    del second
    assert room.left == 10_000_000


def test_a_file_that_cannot_be_read_keeps_no_memory(folders, tmp_path, monkeypatch):
    data = bytearray(Path(only_file(folders / "hdf5")).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    (tmp_path / "bad.hdf5").write_bytes(data)
    room = hdf5.Room(10_000_000)
    monkeypatch.setattr(hdf5, "MEMORY", room)
    with pytest.raises(DataError, match=r"bad\.hdf5"):
        open_records(tmp_path / "bad.hdf5").batch([0])
    gc.collect()
    assert room.left == 10_000_000


def test_damaged_hdf5_is_named(tmp_path, folders):
    with open(only_file(folders / "hdf5"), "rb") as stream:
        data = stream.read()
    (tmp_path / "short.hdf5").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"short.hdf5: not a complete HDF5 file"):
        open_records(tmp_path / "short.hdf5")


def test_hdf5_of_another_kind_is_refused(tmp_path):
    writer = Hdf5Writer(str(tmp_path / "other.h5"), {"input_ids": "i4"})
    writer.add({"input_ids": np.zeros((1, 4))})
    writer.close()
    with pytest.raises(DataError, match="no dataset input_mask") as caught:
        Hdf5File(tmp_path / "other.h5")
    assert "found input_ids" in caught.value.message


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        (lambda: signal.raise_signal(signal.SIGTERM), Terminated),
        (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt),
        (lambda: (_ for _ in ()).throw(MemoryError), MemoryError),
        (lambda: (_ for _ in ()).throw(OSError(28, "full")), OSError),
    ],
    ids=["SIGTERM", "SIGINT", "MemoryError", "OSError"],
)
@pytest.mark.parametrize("at", [1, 2, 4])
def test_what_stops_a_write_gets_through_h5py(tmp_path, monkeypatch, capfd, stop, error, at):
    class Stopping(io.FileIO):
        writes = 0

        def write(self, data):
            Stopping.writes += 1
            if Stopping.writes == at:
                stop()
            return super().write(data)

    monkeypatch.setattr(hdf5, "open", lambda path, mode, buffering: Stopping(path, "w+"), False)

    def write():
        with atomic_write(tmp_path / "a.h5") as stream:
            stream.close()
            writer = Hdf5Writer(stream.name, {"input_ids": "i4"})
            try:
                for _ in range(3):
                    writer.add({"input_ids": np.zeros((9, 4))})
            except BaseException:
                writer.close(complete=False)
                raise
            writer.close()

    with raised_on_termination(), pytest.raises(error):
        write()
    assert Stopping.writes >= at
    # Cython would say `Exception ignored` and go on.
    assert capfd.readouterr().err == "" and list(tmp_path.iterdir()) == []


def test_without_h5py_one_line_says_what_to_install(bertkit, text, tmp_path, monkeypatch, folders):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match="h5py"):
        open_records(only_file(folders / "hdf5"))
    run = bertkit(
        "make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB, "--style", "nvidia"
    )
    assert run.status == 4
    assert "pip install 'bertkit[hdf5]'" in run.err
    assert not list((tmp_path / "out").glob("*.hdf5"))
