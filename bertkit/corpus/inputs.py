"""Decides which files a command reads, in which order and in which groups."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from bertkit.corpus.output_folder import require_finished
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import require_complete
from bertkit.storage.files import is_remote, names_in_list
from bertkit.storage.input_files import expand_inputs

T = TypeVar("T")


def list_inputs(
    inputs: Sequence[str],
    prefix: str = "",
    leave_out: Sequence[str] = (),
    texts: bool = True,
) -> list[str]:
    """The files to read, in a fixed order.

    Args:
        inputs: files, globs, folders or `@list.txt`, as on the command line. A folder
            that a bertkit run left incomplete is refused; of a folder that `download`
            made only the text is taken.
        prefix: folder to which the names in lists are relative (Cerebras' metadata files).
        leave_out: what the command writes, which is no input even below one.
        texts: leave out what stands beside text in folders, see `expand_inputs`; False where
            the form of every file decides.

    Raises:
        DataError: something does not exist, or a list names nothing.
        UsageError: a prefix without a list.
    """
    if prefix and not any(name.startswith("@") for name in inputs):
        raise UsageError("--input-prefix goes with a list of names", "example: --input @list.txt")
    names: list[str] = []
    for name in inputs:
        if name.startswith("@"):
            names += (_joined(prefix, item) for item in read_list(name[1:]))
        else:
            names += _texts_of(name) or [name]
    return expand_inputs(names, leave_out=leave_out, texts=texts)


def gather(items: Sequence[T], sizes: Sequence[int], limit: int) -> list[list[T]]:
    """Consecutive items in groups of at most `limit` in size; a larger item is a group."""
    groups: list[list[T]] = []
    filled = 0
    for item, size in zip(items, sizes, strict=True):
        if not groups or filled + size > limit:
            groups.append([])
            filled = 0
        groups[-1].append(item)
        filled += size
    return groups


def _texts_of(folder: str) -> list[str]:
    """The corpus files of a folder made by `download`, which may hold questions besides."""
    if is_remote(folder):
        require_finished(folder)
        return []
    if not os.path.isdir(folder):
        return []
    manifest = require_complete(folder)
    if manifest is None or manifest.command != "download":
        return []
    texts = [name for name, facts in manifest.outputs.items() if facts.get("kind") == "text"]
    return [os.path.join(folder, name) for name in texts]


def read_list(path: str) -> list[str]:
    """The names in a list, one per line.

    Raises:
        DataError: unreadable, or without names.
    """
    names = names_in_list(path)
    if not names:
        raise DataError(f"{path} names no files", "it should hold one path per line")
    return names


def _joined(prefix: str, name: str) -> str:
    if not prefix or is_remote(name):
        return name
    return f"{prefix.rstrip('/')}/{name}" if is_remote(prefix) else os.path.join(prefix, name)
