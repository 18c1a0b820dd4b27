"""Finds the files that names, globs, folders, lists and URLs stand for, in a fixed order."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from bertkit import log
from bertkit.errors import DataError, shortened
from bertkit.kinds.missing import hint_for_missing
from bertkit.manifests.manifest import NAME, is_own_manifest
from bertkit.remote.listing import is_http, list_remote
from bertkit.storage.files import is_remote, names_in_list
from bertkit.storage.folder_walk import (
    FoundFile,
    describes_data_set,
    has_hidden_part,
    key_of,
    once,
    walk_folder,
)
from bertkit.storage.held_out import warn_of_held_out

# So many files that were given twice are named.
_NAMED = 5


def expand_inputs(
    patterns: Sequence[str | Path],
    suffixes: Sequence[str] = (),
    prefix: str = "",
    leave_out: Sequence[str | Path] = (),
    texts: bool = False,
) -> list[str]:
    """Expand names, globs, folders and `@list.txt` into a list of files in a fixed order.

    A file that is found again, under whatever name, is taken once, in its first place, and
    said in the log.

    Args:
        patterns: as given on the command line, kept in their order; the files of one
            glob or folder are sorted by name.
        suffixes: in folders, only names with one of these endings (all names if empty).
            What else is left out in folders: see `folder_walk.walk_folder`.
        prefix: folder to which the names in lists are relative.
        leave_out: files and folders that the command writes: no input of it in folders.
        texts: of folders, take the texts of a data set without what stands beside them, such as
            checksums (`folder_walk.describes_data_set`), which the log names; text that was put
            aside to evaluate on is warned of.

    Raises:
        DataError: a name does not exist, a pattern matches nothing, or there is no text.
        UsageError: an input folder is also in `leave_out`.
    """
    again: list[str] = []
    beside: list[str] | None = [] if texts else None
    found = once(_expanded(patterns, suffixes, prefix, leave_out, beside), again.append)
    if beside:
        names = shortened(beside, _NAMED)
        if not found:
            raise DataError(f"no text, only files that describe a data set: {names}")
        log.logger.info("left out, as no text: %s", names)
    if again:
        log.warn_once(f"given more than once, taken once: {shortened(again, _NAMED)}")
    return found


def _expanded(
    patterns: Sequence[str | Path],
    suffixes: Sequence[str],
    prefix: str,
    leave_out: Sequence[str | Path],
    beside: list[str] | None,
) -> list[FoundFile]:
    """The files; of folders without those that describe a data set, which go to `beside`."""
    found: list[FoundFile] = []
    for pattern in map(str, patterns):
        if pattern.startswith("@"):
            listed = [os.path.join(prefix, name) for name in names_in_list(pattern[1:])]
            found += _expanded(listed, suffixes, "", leave_out, beside)
        elif is_remote(pattern):
            files = [FoundFile(name, name) for name in _remote_files(pattern, suffixes)]
            found += files if files[0].path == pattern else _texts_of(files, beside)
        elif os.path.isdir(pattern):
            if beside is not None:
                warn_of_held_out(pattern)
            found += _texts_of(_folder_files(pattern, suffixes, leave_out), beside)
        elif os.path.exists(pattern):
            _refuse_pipe(pattern)
            found.append(FoundFile(pattern, key_of(pattern)))
        else:
            found += _matching(pattern)
    return found


def _texts_of(files: list[FoundFile], beside: list[str] | None) -> list[FoundFile]:
    """The files of a folder; what describes a data set goes to `beside`, if that is asked for."""
    if beside is None:
        return files
    texts = []
    for file in files:
        if describes_data_set(os.path.basename(file.path)):
            beside.append(file.path)
        else:
            texts.append(file)
    return texts


def _refuse_pipe(path: str) -> None:
    """Refuse what can be read once only: inputs are looked at, digested and read."""
    if not Path(path).is_file():
        raise DataError(
            f"{path} is no file but a pipe or a device, and inputs are read several times",
            "write it to a file first, and give that",
        )


def _matching(pattern: str) -> list[FoundFile]:
    """The files that match a glob; bertkit's own manifests are none.

    A folder that is there by the name as it is given is no part of the pattern.
    """
    folder, name = os.path.split(pattern)
    inside = os.path.join(glob.escape(folder), name) if os.path.isdir(folder) else pattern
    matches = sorted(glob.glob(inside))
    names = [
        name
        for name in matches
        if os.path.isfile(name) and not (os.path.basename(name) == NAME and is_own_manifest(name))
    ]
    if names:
        return [FoundFile(name, key_of(name)) for name in names]
    if Path(pattern).is_symlink():
        raise DataError(f"{pattern} is a link to {Path(pattern).readlink()}, which is not there")
    if matches:
        raise DataError(f"{pattern} matches no files, only folders", "give the folders themselves")
    raise DataError(f"no such file: {pattern}", hint_for_missing(pattern))


def _remote_files(pattern: str, suffixes: Sequence[str]) -> list[str]:
    """The files that a URL names: one, or those of a glob or folder where storage has them.

    A web server's folder is what the page at a URL that ends in / links to below it.
    """
    if is_http(pattern) and not pattern.endswith("/"):
        return [pattern]
    listed = list_remote(pattern)
    if listed.kind == "file":
        return [pattern]
    found = [
        listed.url(name)
        for name in listed.found
        if not has_hidden_part(inner := listed.inner(name))
        and os.path.basename(inner) != NAME
        and (not suffixes or name.endswith(tuple(suffixes)))
    ]
    if not found:
        raise DataError(f"no files at {pattern}", "check the address")
    return found


def _folder_files(
    folder: str, suffixes: Sequence[str], leave_out: Sequence[str | Path]
) -> list[FoundFile]:
    """Files below a local folder, sorted by path."""
    found = walk_folder(folder, suffixes, leave_out)
    if not found:
        kind = f" ending in {_in_words(suffixes)}" if suffixes else ""
        raise DataError(f"no files{kind} in folder {folder}")
    return found


def _in_words(suffixes: Sequence[str]) -> str:
    """The endings of names, without those of compressed files of the same kind."""
    plain = [one for one in suffixes if not any(one.startswith(f"{other}.") for other in suffixes)]
    more = ", compressed or not" if len(plain) < len(suffixes) else ""
    return f"{' or '.join(plain)}{more}"
