"""Reads local or remote files, writes files atomically, finds, hashes and measures files."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from bertkit.disk_errors import write_error
from bertkit.errors import DataError, MissingDependencyError

CHUNK = 1 << 20
PARTIAL = ".partial"


def is_remote(path: str | Path) -> bool:
    """True for a URL such as `s3://bucket/key` or `https://host/file`."""
    return "://" in str(path)


def is_utf8(path: str | Path) -> bool:
    """False for names in another encoding, which some libraries cannot open."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def missing_protocol(place: str, error: ImportError) -> MissingDependencyError:
    """The error for a URL whose protocol needs a package that fsspec did not find."""
    return MissingDependencyError(f"cannot open {place}: {error}", "pip install 'bertkit[remote]'")


def open_binary(path: str | Path) -> IO[bytes]:
    """Open a local file, or a remote one through fsspec, for reading bytes.

    Raises:
        DataError: the file does not exist or cannot be read.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(path):
        try:
            return open(path, "rb")
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    import fsspec

    with _remote_errors(path):
        stream: IO[bytes] = fsspec.open(str(path), "rb").open()
    return stream


@contextlib.contextmanager
def _remote_errors(path: str | Path) -> Iterator[None]:
    """Turn fsspec's errors into ours."""
    try:
        yield
    except ImportError as error:
        raise missing_protocol(str(path), error) from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def atomic_write(path: str | Path, sync: bool = True) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under its name only if the block ends without an error.

    The bytes go to a hidden temporary file in the same folder, which is synced and renamed.
    After an error, Ctrl-C included, the temporary file is removed and an older file of the
    same name is left as it was.

    Args:
        path: the file.
        sync: wait until the bytes are on the disk, so that the file is complete even after
            a power failure; not worth the time for files with checksums that can be made
            again.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}{PARTIAL}-{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        explained = write_error(error, temporary)
        temporary.unlink(missing_ok=True)
        if explained is not None:  # "disk full" comes without a name, or from a library
            explained.filename = str(target)
            raise explained from error
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Names of files that are not UTF-8 hold lone surrogates; these become escapes such as
    `\\udcf6`, which JSON and YAML read back as they were.
    """
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A folder that is written as `NAME.partial` and renamed when the block ends.

    It replaces an older folder of the same name; after an error that one is left as it was.
    """
    target = Path(path)
    temporary = target.with_name(target.name + PARTIAL)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    except BaseException as error:
        explained = write_error(error, temporary)
        shutil.rmtree(temporary, ignore_errors=True)
        if explained is not None:
            explained.filename = str(target)
            raise explained from error
        raise


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as lower-case hex."""
    return digest_of(path, "sha256")


def digest_of(path: str | Path, algorithm: str) -> str:
    """Digest of a file's bytes by any algorithm of `hashlib`, as lower-case hex."""
    digest = hashlib.new(algorithm)
    with open_binary(path) as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def expand_inputs(patterns: Sequence[str | Path], suffixes: Sequence[str] = ()) -> list[str]:
    """Expand names, globs, folders and `@list.txt` into a list of files in a fixed order.

    Args:
        patterns: as given on the command line, kept in their order; the files of one
            glob or folder are sorted by name.
        suffixes: in folders, only names with one of these endings (all names if empty).
            Hidden files and `manifest.json` in folders are always left out.

    Raises:
        DataError: a name does not exist or a pattern matches nothing.
    """
    found: list[str] = []
    for pattern in map(str, patterns):
        if pattern.startswith("@"):
            with open_binary(pattern[1:]) as stream:
                names = stream.read().decode("utf-8").split("\n")
            found += expand_inputs([name.strip() for name in names if name.strip()], suffixes)
        elif is_remote(pattern):
            found += _remote_files(pattern, suffixes)
        elif os.path.isdir(pattern):
            found += _folder_files(pattern, suffixes)
        elif os.path.exists(pattern):
            found.append(pattern)
        else:
            matches = sorted(name for name in glob.glob(pattern) if os.path.isfile(name))
            if not matches:
                raise DataError(f"no such file: {pattern}", "check the path; globs must be quoted")
            found += matches
    return found


def size_of(path: str | Path) -> int:
    """Size in bytes of a local or remote file.

    Raises:
        DataError: the file does not exist or cannot be read.
    """
    with _remote_errors(path):
        if not is_remote(path):
            return os.path.getsize(path)
        import fsspec

        filesystem, name = fsspec.core.url_to_fs(str(path))
        return int(filesystem.size(name) or 0)


def _remote_files(pattern: str, suffixes: Sequence[str]) -> list[str]:
    """The files that a URL names: one, or those of a glob or folder where storage has them."""
    if pattern.startswith(("http://", "https://")):
        return [pattern]
    import fsspec

    with _remote_errors(pattern):
        filesystem, place = fsspec.core.url_to_fs(pattern)
        if glob.has_magic(place):
            names = filesystem.glob(place)
        else:
            names = filesystem.find(place) if filesystem.isdir(place) else [place]
    if names == [place]:
        return [pattern]
    found = [
        str(filesystem.unstrip_protocol(name))
        for name in sorted(names)
        if not os.path.basename(name).startswith(".")
        and os.path.basename(name) != "manifest.json"
        and (not suffixes or name.endswith(tuple(suffixes)))
    ]
    if not found:
        raise DataError(f"no files at {pattern}", "check the path; globs must be quoted")
    return found


def _folder_files(folder: str, suffixes: Sequence[str]) -> list[str]:
    """Files below a local folder, sorted by path."""
    names = sorted(
        path
        for path in glob.glob(os.path.join(glob.escape(folder), "**", "*"), recursive=True)
        if os.path.isfile(path)
        and os.path.basename(path) != "manifest.json"
        and (not suffixes or path.endswith(tuple(suffixes)))
    )
    if not names:
        kind = f" ending in {' or '.join(suffixes)}" if suffixes else ""
        raise DataError(f"no files{kind} in folder {folder}")
    return names


def shard_name(prefix: str, index: int, count: int, suffix: str = "") -> str:
    """The conventional name of a shard, such as `part-00003-of-00500`."""
    return f"{prefix}-{index:05d}-of-{count:05d}{suffix}"


def free_bytes(path: str | Path) -> int:
    """Free disk space in bytes at `path` or its nearest existing parent."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def human_bytes(count: float) -> str:
    """A byte count as text, such as `27.2 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def package_file(*parts: str) -> Path:
    """Path of a data file that ships inside the package."""
    return Path(__file__).parent.joinpath(*parts)


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: cannot be read, is not UTF-8 or not JSON; names the line.
    """
    import json

    with open_binary(path) as stream:
        blob = stream.read()
    try:
        return json.loads(blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise DataError(f"{path}: not readable as JSON: {error}") from error
