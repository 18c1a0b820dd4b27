"""Copies remote input files to this machine's cache, and uses the copies while they are true.

Below `remote/` of the cache folder lies what was fetched, in the folders of its URL. A copy is
used while storage says the same of its file and the copy is what came; otherwise it is fetched
again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bertkit import log
from bertkit.errors import DataError
from bertkit.remote.errors import UnreachableError, remote_errors
from bertkit.remote.facts import (
    copies_below,
    copies_folder,
    facts_path,
    forget,
    place_of_copy,
    read_facts,
)
from bertkit.remote.listing import (
    HIDDEN_MANIFEST,
    MANIFEST,
    RemoteFile,
    files_to_copy,
)
from bertkit.storage.files import (
    atomic_write,
    free_bytes,
    human_bytes,
    is_remote,
    names_in_list,
    read_json,
    sha256_of,
    sync_path,
    write_text,
)
from bertkit.storage.inner_names import is_inner_name
from bertkit.storage.shared_cache import one_process_at_a_time
from bertkit.storage.temporary import remove_leftovers, temporary_path

_AT_ONCE = 8
_AGAIN = "run the same command again: it keeps what is complete"


class FetchPlan(NamedTuple):
    """What is to be copied before the work begins.

    Attributes:
        files, bytes: to copy; of files whose size storage does not say, 0 bytes.
        folder: where copies lie.
    """

    files: int
    bytes: int
    folder: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{log.counted(self.files, 'file')}, {human_bytes(self.bytes)}, into {self.folder}"


# Lists the files to copy, and says whether they are those of a folder.
Lister = Callable[[], tuple[bool, Sequence[RemoteFile]]]


def local_inputs(inputs: Sequence[str | Path], fetch: bool = True) -> list[str]:
    """The inputs of a command with local copies in place of what is remote.

    A folder in storage becomes a folder here, with its manifest; a glob becomes its files.

    Args:
        inputs: names, globs, folders, lists or URLs.
        fetch: copy what is missing or has changed; else refuse where anything is.

    Raises:
        DataError: nothing there, unreadable, too large for the disk, cut off on its way, or
            changed meanwhile.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    found: list[str] = []
    for name in named_inputs(inputs):
        if not is_remote(name):
            found.append(name)
            continue
        is_folder, copies = local_copies(name, partial(_listed, name), fetch=fetch)
        if is_folder:
            found.append(str(place_of_copy(name.rstrip("/"))))
        else:
            found += [str(copy) for copy in copies if not _is_of_manifest(copy)]
    return found


def fetch_plan(inputs: Sequence[str | Path]) -> FetchPlan | None:
    """What `local_inputs` would copy; None where nothing is remote."""
    urls = [name for name in named_inputs(inputs) if is_remote(name)]
    if not urls:
        return None
    files = {file.copy: file for url in urls for file in _listed(url)[1]}
    return _plan([file for file in files.values() if not _is_current(file)])


def local_copies(url: str, lister: Lister, fetch: bool = True) -> tuple[bool, list[Path]]:
    """Copy what a URL names, as far as it is not here: (whether it is a folder, the copies).

    Where storage gives no answer, the copies of the last time are used and a warning says so.

    Args:
        url: for messages, and to remember what it named.
        lister: asks storage what is there.
        fetch: copy; else refuse where anything is missing.

    Raises: as `local_inputs`.
    """
    place = copies_folder() / ".locks" / hashlib.sha256(url.encode()).hexdigest()[:16]
    with one_process_at_a_time(place):
        try:
            is_folder, files = lister()
        except UnreachableError as error:
            return _as_last_time(place, error)
        missing = [file for file in files if not _is_current(file)]
        plan = _plan(missing)
        if missing and not fetch:
            raise DataError(f"{url} is not here yet: {plan.text}", "without --dry-run it is copied")
        if plan.bytes > (free := free_bytes(copies_folder())):
            raise DataError(
                f"{url}: {plan.text}, where {human_bytes(free)} are free",
                "set XDG_CACHE_HOME to a folder on a larger disk",
            )
        if missing:
            log.logger.info("copying %s: %s", url, plan.text)
            _fetch(missing, plan.bytes)
            _require_unchanged(url, missing, lister()[1])
        copies = [file.copy for file in files]
        if is_folder:
            _forget_others(place_of_copy(url.rstrip("/")), set(copies))
        _remember(place, is_folder, copies)
    return is_folder, copies


def named_inputs(inputs: Sequence[str | Path]) -> Iterator[str]:
    """The inputs of a command; lists that name remote files give way to the names in them."""
    for name in map(str, inputs):
        if name.startswith("@"):
            names = names_in_list(name[1:])
            if any(map(is_remote, names)):
                yield from names
                continue
        yield name


def _listed(url: str) -> tuple[bool, list[RemoteFile]]:
    listed, files = files_to_copy(url)
    return listed.kind == "folder", files


def _plan(missing: Sequence[RemoteFile]) -> FetchPlan:
    size = sum(file.size or 0 for file in missing)
    return FetchPlan(len(missing), size, str(copies_folder()))


def _is_of_manifest(copy: Path) -> bool:
    return copy.name == MANIFEST or copy.name.startswith(".") or copy.match(HIDDEN_MANIFEST)


def _is_current(file: RemoteFile) -> bool:
    """Whether the copy is what came, and storage has nothing newer."""
    known = read_facts(file.copy)
    return (
        file.size is not None
        and file.state != ""
        and known.get("url") == file.url
        and (known.get("bytes"), known.get("state")) == (file.size, file.state)
        and _is_as_it_came(file.copy)
    )


def _is_as_it_came(copy: Path) -> bool:
    """Whether a copy has the size and the time that were noted, or else the same bytes."""
    known = read_facts(copy)
    try:
        here = copy.stat()
    except OSError:
        return False
    if known.get("bytes") != here.st_size:
        return False
    if known.get("written") == here.st_mtime_ns:
        return True
    if known.get("sha256") != sha256_of(copy):  # moved without its time, or another file
        return False
    _write_facts(copy, known | {"written": here.st_mtime_ns})
    return True


def _write_facts(copy: Path, facts: dict[str, object]) -> None:
    with atomic_write(facts_path(copy), sync=False) as stream:
        stream.write(json.dumps(facts).encode())


def _fetch(missing: Sequence[RemoteFile], size: int) -> None:
    for folder in {file.copy.parent for file in missing}:
        remove_leftovers(folder)
    bar = log.progress(total=size, unit="B", scale=True, description="copy")
    with bar, ThreadPoolExecutor(_AT_ONCE) as pool:
        for count in pool.map(_copy, missing):
            bar.update(count)


def _copy(file: RemoteFile) -> int:
    """Copy a file; it has its name once it is whole and on the disk."""
    changed = " (it was fetched before, and has changed)" if file.copy.exists() else ""
    log.logger.debug("copying %s%s", file.url, changed)
    file.copy.parent.mkdir(parents=True, exist_ok=True)
    with temporary_path(file.copy) as unfinished:
        try:
            with remote_errors(file.url, "copy", _AGAIN):
                file.system.get_file(file.name, str(unfinished))
            size = unfinished.stat().st_size
            if file.size is not None and size != file.size:
                raise DataError(f"{file.url}: {size:,} bytes came, not {file.size:,}", _AGAIN)
            digest = sha256_of(unfinished)
            sync_path(unfinished)
            os.replace(unfinished, file.copy)
        finally:
            unfinished.unlink(missing_ok=True)
    facts = {"url": file.url, "bytes": size, "state": file.state, "sha256": digest}
    _write_facts(file.copy, facts | {"written": file.copy.stat().st_mtime_ns})
    return size


def _require_unchanged(url: str, copied: Sequence[RemoteFile], now: Sequence[RemoteFile]) -> None:
    """Refuse a copy of files that were written while they were copied: it may be of both."""
    states = {file.url: (file.size, file.state) for file in now}
    changed = [file.url for file in copied if states.get(file.url) != (file.size, file.state)]
    if changed:
        raise DataError(
            f"{changed[0]} changed while it was copied"
            + (f", and {len(changed) - 1} more of {url}" if len(changed) > 1 else ""),
            f"wait until nothing writes there; {_AGAIN}",
        )


def _forget_others(folder: Path, current: set[Path]) -> None:
    """Remove copies below a folder of what storage has no more."""
    for copy in copies_below(folder):
        if copy not in current:
            forget(copy)


def _remember(place: Path, is_folder: bool, copies: Sequence[Path]) -> None:
    names = [str(copy.relative_to(copies_folder())) for copy in copies]
    text = json.dumps({"folder": is_folder, "copies": names})
    listed = place / "listed.json"
    if not listed.is_file() or listed.read_text(encoding="utf-8") != text:
        write_text(listed, text)


def _as_last_time(place: Path, error: UnreachableError) -> tuple[bool, list[Path]]:
    """What a URL named when storage last answered, if all of it is here."""
    listed = place / "listed.json"
    if not listed.is_file():
        raise error
    known = read_json(listed)
    names = known.get("copies") if isinstance(known, dict) else None
    if not isinstance(names, list) or not all(map(is_inner_name, names)):
        raise error  # damaged: as if there were none
    copies = [copies_folder() / name for name in names]
    if not all(map(_is_as_it_came, copies)):
        raise error
    log.logger.warning("%s; the copies in %s are used as they are", error, copies_folder())
    return bool(known.get("folder")), copies
