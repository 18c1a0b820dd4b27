"""Reads local or remote files, writes files atomically, hashes and measures files."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bertkit.errors import DataError
from bertkit.kinds.missing import hint_for_missing
from bertkit.remote.errors import remote_errors
from bertkit.storage.disk_errors import interruption, write_error
from bertkit.storage.temporary import REPLACED, temporary_path

CHUNK = 1 << 20
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_BYTES = 1024  # a pointer is smaller, says its specification


def is_remote(path: str | Path) -> bool:
    """True for a URL such as `s3://bucket/key` or `https://host/file`."""
    return "://" in str(path)


def file_state(path: str | Path) -> tuple[str, int, int]:
    """Full path, time of the last change and size: by these what was read of a file is kept.

    Of remote files, and of those that are not there, the name alone.
    """
    try:
        facts = Path(path).stat()
    except OSError:
        return str(path), 0, 0
    return os.path.abspath(path), facts.st_mtime_ns, facts.st_size  # noqa: PTH100


def is_utf8(text: str | Path) -> bool:
    """Whether a name or text can be written as UTF-8.

    Names in another encoding cannot, and some libraries cannot open them; nor can the halves of
    characters that JSON can hold.
    """
    if str(text).isascii():
        return True
    try:
        str(text).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def open_binary(path: str | Path) -> IO[bytes]:
    """Open a local file, or a remote one through fsspec, for reading bytes.

    Raises:
        DataError: the file does not exist or cannot be read.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(path):
        try:
            local = open(path, "rb")  # noqa: SIM115 - the caller closes it
            try:
                if _is_lfs_pointer(local.peek(_LFS_POINTER_BYTES)):
                    refuse_lfs_pointer(path)
            except BaseException:
                local.close()
                raise
            return local
        except OSError as error:
            raise _unreadable(path, error) from error
    import fsspec

    with remote_errors(path):
        stream: IO[bytes] = fsspec.open(str(path), "rb").open()
    return stream


def _unreadable(path: str | Path, error: OSError) -> DataError:
    hint = ""
    if isinstance(error, FileNotFoundError):
        hint = hint_for_missing(path)
    elif isinstance(error, IsADirectoryError):
        hint = "give one of its files"
    return DataError(f"cannot read {path}: {error.strerror or error}", hint)


def read_small(path: str, size: int) -> bytes | None:
    """All bytes of a local file, opened and read once; None for one with more than `size`.

    Raises:
        DataError: it does not exist, cannot be read, or is a pointer of Git LFS.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > size:
                return None
            blob = stream.readall()
    except OSError as error:
        raise _unreadable(path, error) from error
    if _is_lfs_pointer(blob):
        refuse_lfs_pointer(path)
    return blob


def _is_lfs_pointer(head: bytes) -> bool:
    return head.startswith(_LFS_POINTER)


def refuse_lfs_pointer(path: str | Path) -> None:
    """Refuse the small text file that Git LFS leaves where a file was not fetched.

    `open_binary` does so; readers that hand a path to another library call this themselves.

    Raises:
        DataError: it is a pointer.
        OSError: the file does not exist or cannot be read.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size >= _LFS_POINTER_BYTES:
        return
    with open(path, "rb") as stream:
        head = stream.read(_LFS_POINTER_BYTES)
    if _is_lfs_pointer(head):
        size = re.search(rb"^size (\d+)", head, re.MULTILINE)
        bytes_there = f" of {human_bytes(int(size[1]))}" if size else ""
        raise DataError(
            f"{path}: a Git LFS pointer, not the file{bytes_there} itself",
            "fetch it with `git lfs pull`, or download the file",
        )


@contextlib.contextmanager
def atomic_write(path: str | Path, sync: bool = True) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under its name only if the block ends without an error.

    The bytes go to a hidden temporary file in the same folder, which is synced and renamed.
    A library that takes names may write to the stream's `name` instead, and even put another
    file in its place. After an error, Ctrl-C included, the temporary file is removed and an
    older file of the same name is left as it was.

    Args:
        path: the file.
        sync: wait until bytes and name are on the disk, so that the file is complete even
            after a power failure; not worth the time for files with checksums that can be
            made again.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_path(target) as temporary:
        try:
            with open(temporary, "xb") as stream:
                yield stream
                stream.flush()
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            # By name: what was written there need not be the file that was opened.
            if stat.S_IMODE(temporary.stat().st_mode) != mode:
                temporary.chmod(mode)
            if sync:
                sync_path(temporary)
            os.replace(temporary, target)
        except BaseException as error:
            explained = interruption(error) or write_error(error, temporary)
            temporary.unlink(missing_ok=True)
            if explained is not None:  # "disk full" comes without a name, or from a library
                raise _named(explained, target) from error
            raise
    if sync:
        sync_path(target.parent)


def _named(error: BaseException, target: Path) -> BaseException:
    """An error of the system with the name of the file that was to be written."""
    if isinstance(error, OSError):
        error.filename = str(target)
    return error


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Names of files that are not UTF-8 hold lone surrogates; these become escapes such as
    `\\udcf6`, which JSON and YAML read back as they were.
    """
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def atomic_folder(path: str | Path, sync: bool = True) -> Iterator[Path]:
    """A folder that is written under a temporary name and renamed when the block ends.

    It replaces an older folder of the same name; after an error that one is left as it was.

    Args:
        path: the folder.
        sync: wait until every file in it, the folder and its name are on the disk.
    """
    target = Path(path)
    with temporary_path(target) as temporary:
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if sync:
                for entry in sorted(temporary.rglob("*")):
                    sync_path(entry)
                sync_path(temporary)
            _put_in_place(temporary, target)
        except BaseException as error:
            explained = interruption(error) or write_error(error, temporary)
            shutil.rmtree(temporary, ignore_errors=True)
            if explained is not None:
                raise _named(explained, target) from error
            raise
    if sync:
        sync_path(target.parent)


def _put_in_place(new: Path, target: Path) -> None:
    """Rename a folder; one that has the name is away only for a moment, and never lost."""
    if not target.exists():
        os.replace(new, target)
        return
    with temporary_path(target, REPLACED) as old:
        target.rename(old)
        os.replace(new, target)
        shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: str | Path) -> None:
    """Remove a folder, if it is there, with all it holds: cut short, it is gone all the same."""
    target = Path(path)
    with temporary_path(target) as going:
        try:
            with contextlib.suppress(FileNotFoundError):
                target.rename(going)
                shutil.rmtree(going)
        finally:  # a signal may have come in between
            shutil.rmtree(going, ignore_errors=True)


def sync_path(path: str | Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    if sys.platform == "win32":  # syncs only what is open for writing, and no folders
        if Path(path).is_dir():
            return
        flags = os.O_RDWR
    else:
        flags = os.O_RDONLY
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems do not sync folders.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def allow_open_files(count: int) -> None:
    """Raise this process's own limit of open files, if need be, to so many more than usual."""
    if count < 256 or sys.platform == "win32":  # which has no such limit
        return
    with contextlib.suppress(ValueError, OSError):
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


def names_in_list(path: str) -> list[str]:
    """The names in a list, one per line, without blank lines; bytes in any encoding.

    Raises:
        DataError: it cannot be read.
    """
    with open_binary(path) as stream:
        blob = stream.read()
    lines = os.fsdecode(blob.removeprefix(b"\xef\xbb\xbf")).split("\n")
    return [line.strip() for line in lines if line.strip()]


def size_of(path: str | Path) -> int:
    """Size in bytes of a local or remote file.

    Raises:
        DataError: the file does not exist or cannot be read.
    """
    with remote_errors(path):
        if not is_remote(path):
            return os.path.getsize(path)
        import fsspec

        filesystem, name = fsspec.core.url_to_fs(str(path))
        return int(filesystem.size(name) or 0)


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
    return Path(__file__).parents[1].joinpath(*parts)


def read_json(path: str | Path) -> Any:
    """Parse a JSON file, with or without a byte order mark.

    Raises:
        DataError: cannot be read, is not UTF-8 or not JSON, or has a key twice in an object;
            names the line.
    """
    import json

    from bertkit.codecs.json_lines import keys_once

    with open_binary(path) as stream:
        blob = stream.read()
    try:
        return json.loads(blob.decode("utf-8-sig"), object_pairs_hook=keys_once)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a key twice, numbers too long, lists too deep
        raise DataError(f"{path}: not readable as JSON: {error}") from error
