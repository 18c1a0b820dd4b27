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

from bertkit.errors import DataError, MissingDependencyError

CHUNK = 1 << 20
PARTIAL = ".partial"


def is_remote(path: str | Path) -> bool:
    """True for a URL such as `s3://bucket/key` or `https://host/file`."""
    return "://" in str(path)


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
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(target)  # "disk full" comes without a name
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))


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
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Let the processes of this machine do a work in a folder one after the other.

    Where the folder takes no lock file, all go on at once.
    """
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / "lock", "w")  # noqa: SIM115 - closed below
    except (ImportError, OSError):  # no such locks on Windows, where one process trains anyway
        yield
        return
    with stream:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Where bertkit keeps what can be made again: `bertkit` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bertkit"


def is_writable_folder(folder: Path) -> bool:
    """Whether files may be written to a folder; never in one that has no such permission.

    To the superuser the system allows even those, which are read-only for a reason.
    """
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False


def allow_open_files(count: int) -> None:
    """Raise this process's own limit of open files, if need be, to so many more than usual."""
    if count < 256:
        return
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + 256 if hard == resource.RLIM_INFINITY else min(hard, count + 256)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
                names = stream.read().decode("utf-8-sig").split("\n")
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
    """Parse a JSON file, with or without a byte order mark.

    Raises:
        DataError: cannot be read, is not UTF-8 or not JSON; names the line.
    """
    import json

    with open_binary(path) as stream:
        blob = stream.read()
    try:
        return json.loads(blob.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise DataError(f"{path}: not readable as JSON: {error}") from error
