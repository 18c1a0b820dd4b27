"""Computes and compares the checksums that a run's checkpoint keeps of its files.

`state.json` lists every other file of its folder with size and CRC-32C, and carries a checksum
of itself (`bertkit.codecs.sealed_json`). CRC-32C runs at several GB/s: less than the disk takes,
and enough to notice damage.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crc32c import crc32c

from bertkit.storage.files import is_utf8, open_binary
from bertkit.storage.inner_names import is_inner_name
from bertkit.workers.termination import held_back

FILES = "files"
_BLOCK = 16 << 20
_UNREADABLE = (RuntimeError, ValueError, LookupError)


def file_facts(path: str | Path) -> dict[str, Any]:
    """`bytes` and `crc32c` (hexadecimal) of a file."""
    crc = size = 0
    with open_binary(path) as stream:
        while block := stream.read(_BLOCK):
            crc = crc32c(block, crc)
            size += len(block)
    return {"bytes": size, "crc32c": f"{crc:08x}"}


def folder_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """The facts of every file in a folder, by name."""
    return {path.name: file_facts(path) for path in sorted(folder.iterdir()) if path.is_file()}


def damage(
    folder: Path,
    known: Mapping[str, Any],
    names: Iterable[str] | None = None,
    read: bool = True,
) -> str:
    """What is wrong with the files of a checkpoint; empty where nothing is.

    Args:
        folder: of the checkpoint.
        known: name → facts, as `state.json` lists them.
        names: look at these files only; those that are not listed pass.
        read: compare checksums too, not only sizes.
    """
    wanted = known if names is None else [name for name in names if name in known]
    problems = []
    for name in wanted:
        path, facts = folder / name, known[name]
        if not is_inner_name(name):
            problems.append(f"{name!r} is no file of the folder")
        elif not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != facts["bytes"]:
            size = path.stat().st_size
            problems.append(f"{name} has {size:,} bytes instead of {facts['bytes']:,}")
        elif read and (found := file_facts(path)["crc32c"]) != facts["crc32c"]:
            problems.append(f"{name} has CRC-32C {found} instead of {facts['crc32c']}")
    return "; ".join(problems)


def broken_container(path: Path) -> str:
    """What is wrong with a file of tensors of which no checksum is known; empty for nothing.

    A safetensors file tells its length, the zip of a `.pt` file the CRC-32 of all its entries.
    """
    if not path.is_file():
        return f"{path.name} is missing"
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        if not is_utf8(path):  # which the package cannot open
            return ""
        try:
            with held_back(), safe_open(path, "pt"):
                return ""
        except (SafetensorError, OSError) as error:
            return f"{path.name}: not a complete safetensors file ({error})"
    try:
        bad = damaged_entry(path)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        return f"{path.name}: not a complete file of tensors ({error})"
    return f"{path.name}: its entry {bad} is damaged" if bad else ""


def damaged_entry(path: str | Path) -> str | None:
    """The first entry of a `.pt` file whose CRC-32 is not that of its bytes; None for none.

    PyTorch does not compare them. Where `torch.serialization.set_crc32_options(False)` held, all
    of them are 0 and say nothing.

    Raises:
        BadZipFile, EOFError, OSError: not a complete zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            known = any(entry.CRC for entry in archive.infolist())
            return archive.testzip() if known else None
    # A damaged index may call an entry encrypted, or by a name that is no text.
    except (*_UNREADABLE, struct.error, zlib.error, lzma.LZMAError) as error:
        raise zipfile.BadZipFile(str(error)) from error
