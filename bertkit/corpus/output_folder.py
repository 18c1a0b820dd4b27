"""Manages output folders, local or remote; finished files are kept if a run is interrupted."""

from __future__ import annotations

import contextlib
import glob
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertkit.corpus.document_names import names_beside
from bertkit.errors import DataError
from bertkit.manifests.manifest import NAME, Manifest, read_manifest, require_complete
from bertkit.manifests.output_state import output_state
from bertkit.remote.errors import missing_protocol
from bertkit.storage.files import is_remote, remove_folder


class OutputFolder:
    """The local folder that a run fills, and the remote storage to upload it to, if any.

    Attributes:
        folder: a local folder: the output itself, or a temporary one for a URL.
    """

    def __init__(self, folder: str, url: str = "") -> None:
        self.folder = folder
        self._url = url
        if url:
            self._storage, self._root = _storage(url)

    @property
    def place(self) -> str:
        """The output as it was given."""
        return self._url or self.folder

    @property
    def remote(self) -> bool:
        """Whether finished files, and the manifest with each of them, are uploaded."""
        return bool(self._url)

    def holds(self, name: str, size: int) -> bool:
        """True if the output has a file of this name and size in bytes."""
        path = Path(self.folder) / name
        if path.is_file():
            return path.stat().st_size == size
        if not self._url:
            return False
        with _storage_errors(self._url):
            place = self._place(name)
            return bool(self._storage.exists(place)) and self._storage.size(place) == size

    def holds_here(self, name: str) -> bool:
        """True if this machine has the file, uploaded or not."""
        return (Path(self.folder) / name).is_file()

    def read(self, name: str) -> bytes | None:
        """A small file of the output, or None."""
        path = Path(self.folder) / name
        if path.is_file():
            return path.read_bytes()
        if not self._url:
            return None
        with _storage_errors(self._url):
            place = self._place(name)
            return bytes(self._storage.cat_file(place)) if self._storage.exists(place) else None

    def keep(self, *names: str) -> None:
        """Upload finished files, which the manifest lists by now, and delete them here.

        The manifest follows them, so that it never lists what is not there. Nothing
        happens to a local folder.
        """
        if self._url:
            self._upload([*names, NAME])
            for name in names:
                (Path(self.folder) / name).unlink(missing_ok=True)

    def discard(self, folder: str) -> None:
        """Remove a folder of the output with all it holds."""
        remove_folder(Path(self.folder) / folder)
        if self._url:
            with _storage_errors(self._url), contextlib.suppress(FileNotFoundError):
                self._storage.rm(self._place(folder), recursive=True)

    def finish(self, before: Manifest | None) -> None:
        """Upload what is left, the manifest last; remove what only an older run had made."""
        after = read_manifest(self.folder)
        if not self._url or (before is not None and before.complete and before == after):
            return
        root = Path(self.folder)
        names = sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        )
        self._upload(sorted(names, key=lambda name: name == NAME))
        old = set(before.outputs if before else ()) - set(after.outputs if after else ())
        with _storage_errors(self._url):
            for name in sorted([*old, *map(names_beside, old)]):
                with contextlib.suppress(FileNotFoundError):
                    self._storage.rm_file(self._place(name))

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _upload(self, names: list[str]) -> None:
        with _storage_errors(self._url):
            for name in names:
                place = self._place(name)
                self._storage.makedirs(place.rpartition("/")[0], exist_ok=True)
                self._storage.put_file(str(Path(self.folder) / name), place)


@contextlib.contextmanager
def open_output_folder(output: str) -> Iterator[OutputFolder]:
    """The output folder of a run, to be filled within the block.

    For a URL such as s3://bucket/folder this is a temporary local folder that begins with
    the manifest found there. Files given to `OutputFolder.keep` are uploaded at once and
    stay there if the run is interrupted, even killed: the next one resumes with the rest.
    All other files are uploaded when the block ends without an error.

    Raises:
        DataError: the storage cannot be read or written.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(output):
        yield OutputFolder(output)
        return
    with tempfile.TemporaryDirectory(prefix="bertkit-") as folder:
        target = OutputFolder(folder, output)
        blob = target.read(NAME)
        if blob is not None:
            (Path(folder) / NAME).write_bytes(blob)
        before = read_manifest(folder)
        yield target
        target.finish(before)


def require_finished(folder: str) -> None:
    """Refuse a folder in storage whose run did not finish; any other URL passes.

    Raises:
        DataError: the run that writes the folder is still going or was killed.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if folder.startswith(("http://", "https://")) or glob.has_magic(folder):
        return
    with tempfile.TemporaryDirectory(prefix="bertkit-") as place:
        blob = None
        # Whoever reads the folder next, as an input, reports what cannot be read.
        with contextlib.suppress(DataError):
            blob = OutputFolder(place, folder).read(NAME)
        if blob is None:
            return
        (Path(place) / NAME).write_bytes(blob)
        try:
            require_complete(place)
        except DataError as error:
            raise DataError(error.message.replace(place, folder), error.hint) from error


def state_of_output(
    output: str, planned: Manifest, input_bytes: int | None = None, overwrite: bool = False
) -> str:
    """What a run would find in its output, local or remote, see `output_state`.

    Raises:
        DataError: the run would be refused, or the storage cannot be read.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(output):
        return output_state(output, planned, input_bytes=input_bytes, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix="bertkit-") as place:
        blob = OutputFolder(place, output).read(NAME)
        if blob is not None:
            (Path(place) / NAME).write_bytes(blob)
        try:
            return output_state(place, planned, input_bytes=input_bytes, overwrite=overwrite)
        except DataError as error:
            raise DataError(error.message.replace(place, output), error.hint) from error


def _storage(output: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(output)
    except ImportError as error:
        raise missing_protocol(output, error) from error
    except ValueError as error:
        raise DataError(f"cannot open {output}: {error}") from error
    return filesystem, str(root).rstrip("/")


@contextlib.contextmanager
def _storage_errors(output: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:
        raise DataError(
            f"cannot use {output} as an output folder: {error}",
            "check its name and your credentials, or write to a local folder",
        ) from error
