"""HDF5 files that read other files, or claim more than they hold; damage of any kind."""

from __future__ import annotations

import random

import h5py
import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.hdf5.files import PACKED, PLAIN, Datasets
from bertkit.records.files.hdf5.safety import own_dataset
from bertkit.records.files.open import open_records

ROWS, LENGTH, PREDICTIONS = 6, 16, 3


def write(path, replaced="", make=None, **options):
    """A file of plain records; one dataset is made by `make(file, name)`."""
    with h5py.File(path, "w") as file:
        for name, kind in PLAIN.items():
            width = PREDICTIONS if name.startswith("masked_lm") else LENGTH
            shape = (ROWS,) if name == "next_sentence_labels" else (ROWS, width)
            if name == replaced:
                make(file, name)
            else:
                value = 0 if name in ("segment_ids", "next_sentence_labels") else 1
                file.create_dataset(name, data=np.full(shape, value, kind), **options)
    return path


def external_link(file, name):
    with h5py.File(f"{file.filename}.other", "w") as other:
        other["x"] = np.zeros((ROWS, LENGTH), "i4")
    file[name] = h5py.ExternalLink(f"{file.filename}.other", "/x")


def soft_link_to_external_link(file, name):
    external_link(file, "outside")
    file[name] = h5py.SoftLink("/outside")


def external_storage(file, name):
    file.create_dataset(
        name, (ROWS, LENGTH), "i4", external=[("/etc/passwd", 0, ROWS * LENGTH * 4)]
    )


def virtual(file, name):
    external_link(file, "outside")
    layout = h5py.VirtualLayout((ROWS, LENGTH), "i4")
    layout[:] = h5py.VirtualSource(f"{file.filename}.other", "x", (ROWS, LENGTH))
    file.create_virtual_dataset(name, layout)


def group(file, name):
    file.create_group(name)


def absurd_rows(file, name):
    file.create_dataset(name, (2**40, LENGTH), "i4", chunks=(1, LENGTH), compression="gzip")


def never_written(file, name):
    file.create_dataset(name, (ROWS, LENGTH), "i4")


def chunks_never_written(file, name):
    file.create_dataset(name, (ROWS, LENGTH), "i4", chunks=(1, LENGTH))[0] = 1


def absurd_chunk(file, name):
    shape = (2**27 - 1, 8)  # one row more, and old HDF5 itself refuses to make it
    file.create_dataset(name, (ROWS, 8), "i4", chunks=shape, maxshape=(None, 8))


HOSTILE = [
    (external_link, "link to another place"),
    (soft_link_to_external_link, "link to another place"),
    (external_storage, "link to another place"),
    (virtual, "link to another place"),
    (group, "link to another place"),
    (absurd_rows, "more than the file can hold"),
    (never_written, "only 0 of its 384 bytes are there"),
    (chunks_never_written, "only 1 of its 6 chunks are there"),
]


@pytest.mark.parametrize(("make", "message"), HOSTILE)
def test_what_is_not_in_the_file_is_not_read(tmp_path, make, message):
    path = write(tmp_path / "a.hdf5", "input_ids", make)
    with pytest.raises(DataError, match=f"input_ids.* {message}"):
        open_records(path)
    with pytest.raises(DataError, match=message):
        Datasets(str(path), PLAIN)


def test_a_chunk_that_no_memory_holds_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        absurd_chunk(file, "x")
        file.create_dataset("filling", data=np.zeros(1 << 20, "u1"))  # so that the size may be
        with pytest.raises(DataError, match="its chunks are 4,294,967,264 bytes"):
            own_dataset(file, "x", "a.hdf5")


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"compression": "lzf"},
                                     {"chunks": (2,), "fletcher32": True}])  # fmt: skip
def test_files_of_other_layouts_are_read(tmp_path, options):
    if options.get("chunks"):
        options = {"chunks": True, "fletcher32": True}
    path = write(tmp_path / "a.hdf5", **options)
    batch = open_records(path).batch(np.arange(ROWS))
    assert batch["input_ids"].sum() == ROWS * LENGTH


def test_a_pack_whose_rows_are_no_rows_is_named(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        for name, kind in PACKED.items():
            file[name] = np.ones(ROWS, kind)
    with pytest.raises(DataError, match="one row per pack"):
        open_records(path).batch(np.arange(2))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_damage_of_any_kind_is_one_error(tmp_path, compression):
    """h5py raises five kinds of errors for it; some damage it does not see."""
    path = write(tmp_path / "a.hdf5", compression=compression)
    whole = path.read_bytes()
    draw = random.Random(17)
    errors = 0
    for _ in range(50):
        content = bytearray(whole)
        content[draw.randrange(len(content) // 2)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            open_records(path).batch(np.arange(ROWS))
        except DataError as error:
            assert str(path) in error.message
            errors += 1
    assert errors > 0
