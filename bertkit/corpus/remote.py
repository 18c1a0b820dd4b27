"""Output folders in remote storage: made on this machine, then uploaded, the manifest last."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertkit.errors import DataError, MissingDependencyError
from bertkit.files import is_remote
from bertkit.manifest import NAME, read_manifest


@contextlib.contextmanager
def staged(output: str) -> Iterator[str]:
    """A local folder that stands for `output`; the same folder where that is local.

    For a URL such as s3://bucket/folder it is a temporary folder that holds the manifest
    found there, so that a finished run is known again. When the block ends without an
    error, its files are uploaded; the manifest goes last, so a folder without one is
    never taken for finished. An interrupted run uploads nothing and starts anew.

    Raises:
        DataError: the storage cannot be read or written.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(output):
        yield output
        return
    filesystem, root = _storage(output)
    with tempfile.TemporaryDirectory(prefix="bertkit-") as folder:
        with _problems(output):
            if filesystem.exists(f"{root}/{NAME}"):
                filesystem.get_file(f"{root}/{NAME}", f"{folder}/{NAME}")
        found = read_manifest(folder)
        yield folder
        if found is not None and found.complete and read_manifest(folder) == found:
            return
        with _problems(output):
            _upload(Path(folder), filesystem, root)


def _storage(output: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(output)
    except ImportError as error:
        raise MissingDependencyError(
            f"cannot write to {output}: {error}", "pip install 'bertkit[remote]'"
        ) from error
    except ValueError as error:
        raise DataError(f"cannot write to {output}: {error}") from error
    return filesystem, str(root).rstrip("/")


def _upload(folder: Path, filesystem: Any, root: str) -> None:
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    for name in sorted(names, key=lambda name: name == NAME):
        place = f"{root}/{name}"
        filesystem.makedirs(place.rpartition("/")[0], exist_ok=True)
        filesystem.put_file(str(folder / name), place)


@contextlib.contextmanager
def _problems(output: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:
        raise DataError(
            f"cannot use {output} as an output folder: {error}",
            "check its name and your credentials, or write to a local folder",
        ) from error
