"""Output folders, local or in remote storage: what is finished stays, however a run ends."""

from __future__ import annotations

import contextlib
import glob
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.files import is_remote, missing_protocol
from bertkit.manifest import NAME, Manifest, read_manifest, require_complete


class Stage:
    """The folder that a run fills, and the storage that it stands for, if any.

    Attributes:
        folder: a local folder: the output itself, or a temporary one for a URL.
    """

    def __init__(self, folder: str, output: str = "") -> None:
        self.folder = folder
        self._output = output
        if output:
            self._storage, self._root = _storage(output)

    def holds(self, name: str, size: int) -> bool:
        """True if the output has a file of this name and size in bytes."""
        path = Path(self.folder) / name
        if path.is_file():
            return path.stat().st_size == size
        if not self._output:
            return False
        with _problems(self._output):
            place = self._place(name)
            return bool(self._storage.exists(place)) and self._storage.size(place) == size

    def read(self, name: str) -> bytes | None:
        """A small file of the output, or None."""
        path = Path(self.folder) / name
        if path.is_file():
            return path.read_bytes()
        if not self._output:
            return None
        with _problems(self._output):
            place = self._place(name)
            return bytes(self._storage.cat_file(place)) if self._storage.exists(place) else None

    def keep(self, *names: str) -> None:
        """Bring finished files, which the manifest tells of by now, to the storage.

        The manifest follows them, so that it never promises what is not there; they are
        deleted here. Nothing happens to a local folder.
        """
        if self._output:
            self._upload([*names, NAME])
            for name in names:
                (Path(self.folder) / name).unlink(missing_ok=True)

    def discard(self, folder: str) -> None:
        """Remove a folder of the output with all it holds."""
        shutil.rmtree(Path(self.folder) / folder, ignore_errors=True)
        if self._output:
            with _problems(self._output), contextlib.suppress(FileNotFoundError):
                self._storage.rm(self._place(folder), recursive=True)

    def finish(self, before: Manifest | None) -> None:
        """Upload what is left, the manifest last; remove what only an older run had made."""
        after = read_manifest(self.folder)
        if not self._output or (before is not None and before.complete and before == after):
            return
        root = Path(self.folder)
        names = sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        )
        self._upload(sorted(names, key=lambda name: name == NAME))
        old = set(before.outputs if before else ()) - set(after.outputs if after else ())
        with _problems(self._output):
            for name in sorted(old):
                with contextlib.suppress(FileNotFoundError):
                    self._storage.rm_file(self._place(name))

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _upload(self, names: list[str]) -> None:
        with _problems(self._output):
            for name in names:
                place = self._place(name)
                self._storage.makedirs(place.rpartition("/")[0], exist_ok=True)
                self._storage.put_file(str(Path(self.folder) / name), place)


@contextlib.contextmanager
def staged(output: str) -> Iterator[Stage]:
    """A local folder that stands for `output`; the same folder where that is local.

    For a URL such as s3://bucket/folder it is a temporary folder that begins with the
    manifest found there. Files given to `Stage.keep` are uploaded at once and stay there
    if the run is interrupted, even killed: the next one goes on with the rest. What else
    there is is uploaded when the block ends without an error.

    Raises:
        DataError: the storage cannot be read or written.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(output):
        yield Stage(output)
        return
    with tempfile.TemporaryDirectory(prefix="bertkit-") as folder:
        stage = Stage(folder, output)
        blob = stage.read(NAME)
        if blob is not None:
            (Path(folder) / NAME).write_bytes(blob)
        before = read_manifest(folder)
        yield stage
        stage.finish(before)


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
        # What cannot be read is told by whoever reads it next, as an input.
        with contextlib.suppress(DataError):
            blob = Stage(place, folder).read(NAME)
        if blob is None:
            return
        (Path(place) / NAME).write_bytes(blob)
        try:
            require_complete(place)
        except DataError as error:
            raise DataError(error.message.replace(place, folder), error.hint) from error


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
def _problems(output: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:
        raise DataError(
            f"cannot use {output} as an output folder: {error}",
            "check its name and your credentials, or write to a local folder",
        ) from error
