"""Libraries' own errors on a full disk, from the libraries themselves."""

from __future__ import annotations

import contextlib
import errno
import io

import numpy as np
import pytest
import torch

from bertkit.storage.disk_errors import write_error
from bertkit.storage.files import atomic_folder, atomic_write
from bertkit.workers.termination import Terminated

LIMIT = 1_000_000
TENSORS = {"a": torch.zeros(LIMIT)}


@contextlib.contextmanager
def small_files():
    """No file may grow beyond LIMIT bytes; writing fails as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="no such limits on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def by_torch_stream(place):
    with open(place / "x.pt", "wb") as stream:
        torch.save(TENSORS, stream)


def by_torch_path(place):
    torch.save(TENSORS, place / "x.pt")


def by_safetensors(place):
    from safetensors.torch import save_file

    save_file(TENSORS, place / "x.safetensors")


def by_hdf5(place):
    h5py = pytest.importorskip("h5py")
    with h5py.File(place / "x.hdf5", "w") as file:
        file.create_dataset("a", data=np.zeros(LIMIT))


def by_numpy(place):
    np.save(place / "x.npy", np.zeros(LIMIT))


@pytest.mark.parametrize(
    "write", [by_torch_stream, by_torch_path, by_safetensors, by_hdf5, by_numpy]
)
def test_a_library_that_cannot_write_becomes_the_system_error(write, tmp_path):
    raises = pytest.raises(OSError, match="File too large")
    with small_files(), raises as caught, atomic_folder(tmp_path / "step") as folder:
        write(folder)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(tmp_path / "step")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        'Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "No" })',
        "Error while serializing: I/O error: No space left on device (os error 28)",
        "Can't write data (file write failed: errno = 28, error message = 'No space left')",
    ],
)
def test_the_number_is_read_from_texts_of_old_and_new_releases(text, tmp_path):
    found = write_error(RuntimeError(text), tmp_path / "x")
    assert found is not None and found.errno == errno.ENOSPC


def test_a_single_file_keeps_its_name(tmp_path):
    with small_files(), pytest.raises(OSError) as caught, atomic_write(tmp_path / "x.pt") as stream:
        torch.save(TENSORS, stream)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / "x.pt"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    assert write_error(RuntimeError("shapes do not fit"), tmp_path) is None
    assert write_error(KeyboardInterrupt(), tmp_path) is None
    missing = FileNotFoundError(errno.ENOENT, "No such file", "input.txt")
    assert write_error(missing, tmp_path) is None
    after = ValueError("not a number")
    after.__context__ = missing  # an error that was dealt with before
    assert write_error(after, tmp_path) is None


def test_an_input_that_is_missing_is_named_not_the_output(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "out"):
        (tmp_path / "input").read_bytes()
    assert caught.value.filename == str(tmp_path / "input")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Terminated(15)])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_an_interruption_inside_a_library_stays_one(tmp_path, interruption, at):
    """PyTorch ends its archive on the way out, and says that this failed."""

    class Interrupted(io.FileIO):
        writes = 0

        def write(self, data):
            self.writes += 1
            if self.writes == at:
                raise interruption
            return super().write(data)

    with (
        pytest.raises((KeyboardInterrupt, Terminated)),
        atomic_folder(tmp_path / "out") as folder,
        Interrupted(folder / "a.pt", "w") as stream,
    ):
        torch.save({str(number): torch.zeros(99) for number in range(9)}, stream)
    assert list(tmp_path.iterdir()) == []
