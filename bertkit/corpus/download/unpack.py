"""Unpacks what was downloaded for a task: archives, and the parts of MRPC as GLUE divides it.

A source of the catalogue names the work in `unpack`. Its archives were checked by their digest
before, and stay where they are.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bertkit.errors import DataError
from bertkit.storage.files import CHUNK, atomic_write

# GLUE's names of the files that its MRPC is made of, and the head of its test file.
_TRAIN, _TEST, _DEV_IDS = (
    "msr_paraphrase_train.txt",
    "msr_paraphrase_test.txt",
    "mrpc_dev_ids.tsv",
)
_TEST_HEAD = "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
# What zipfile raises for archives that are damaged, encrypted, or packed in a way it does not know.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError),
)


def unpack(kind: str, output: str | Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Unpack downloaded files into their folder.

    Args:
        kind: `zip` or `mrpc`; nothing is done for an empty one.
        output: folder that holds the files.
        names: of the files that were downloaded.

    Returns:
        Name below the folder → `bytes` and `sha256` of every file made.

    Raises:
        DataError: an archive or a line is damaged.
    """
    work = _WORK.get(kind)
    return {} if work is None else dict(work(Path(output), names))


def _unzip(output: Path, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in names:
        if not name.endswith(".zip"):
            continue
        try:
            with zipfile.ZipFile(output / name) as archive:
                for member in archive.infolist():
                    if _is_wanted(member):
                        with archive.open(member) as stream:
                            yield member.filename, _written(output / member.filename, stream)
        except _DAMAGED as error:
            raise DataError(
                f"{output / name}: {error}", "remove it and download it again"
            ) from error


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file for people; refuses one that would leave the folder."""
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
        raise DataError(f"{member.filename}: a member that leaves the folder")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not (member.is_dir() or hidden)


def _written(path: Path, stream: IO[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with atomic_write(path) as target:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _mrpc(output: Path, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """train.tsv, dev.tsv and test.tsv as GLUE's download script makes them."""
    if not {_TRAIN, _TEST, _DEV_IDS} <= set(names):
        return
    ids = set(_lines(output / _DEV_IDS)[1])
    head, rows = _lines(output / _TRAIN)
    parts: dict[str, list[str]] = {"train": [f"{head}\n"], "dev": [f"{head}\n"]}
    for row in rows:
        label, first, second, one, other = _five(output / _TRAIN, row)
        part = "dev" if f"{first}\t{second}" in ids else "train"
        parts[part].append("\t".join((label, first, second, one, other)) + "\n")
    parts["test"] = [_TEST_HEAD]
    for number, row in enumerate(_lines(output / _TEST)[1]):
        parts["test"].append("\t".join((str(number), *_five(output / _TEST, row)[1:])) + "\n")
    for part, lines in parts.items():
        name, blob = f"MRPC/{part}.tsv", "".join(lines).encode("utf-8")
        with atomic_write(output / name) as target:
            target.write(blob)
        yield name, {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}


def _lines(path: Path) -> tuple[str, list[str]]:
    """(first line, the others) of a file, a mark at its beginning left out."""
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error
    return lines[0].strip(), [line.strip() for line in lines[1:]]


def _five(path: Path, row: str) -> list[str]:
    cells = row.split("\t")
    if len(cells) != 5:
        raise DataError(f"{path}: {len(cells)} columns where there should be 5: {row[:60]!r}")
    return cells


_Work = Callable[[Path, Sequence[str]], Iterator[tuple[str, dict[str, Any]]]]
_WORK: dict[str, _Work] = {"zip": _unzip, "mrpc": _mrpc}
KINDS = ("", *_WORK)
