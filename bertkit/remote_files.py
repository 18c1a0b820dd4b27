"""Copies remote input files to this machine's cache, and uses the copies while they are true.

Below `remote/` of the cache folder lies what was fetched, in the folders of its URL. Beside each
file, hidden, stands what is known of it: URL, size, ETag or time of change, and the SHA-256 of
the copy. A copy is used while storage says the same; otherwise it is fetched again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bertkit import log
from bertkit.errors import DataError
from bertkit.files import (
    CHUNK,
    atomic_write,
    free_bytes,
    human_bytes,
    is_remote,
    names_in_list,
    remote_errors,
)
from bertkit.shared_cache import cache_folder, one_process_at_a_time
from bertkit.temporary import temporary_path

MANIFEST = "manifest.json"
_HIDDEN_MANIFEST = ".bertkit/manifest.json"
_FACTS = ".fetched"
_AT_ONCE = 8
# What storages call that which changes with a file's content.
_VALIDATORS = ("ETag", "etag", "Content-MD5", "md5Hash", "generation", "blob_id", "LastModified",
               "last_modified", "mtime", "modified", "created")  # fmt: skip


class _Remote(NamedTuple):
    """A file in storage, and where its copy belongs."""

    system: Any
    name: str
    url: str
    size: int | None
    state: str
    here: Path


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
        return f"{self.files} files, {human_bytes(self.bytes)}, into {self.folder}"


def local_inputs(inputs: Sequence[str | Path], fetch: bool = True) -> list[str]:
    """The inputs of a command with local copies in place of what is remote.

    A folder in storage becomes a folder here, with its manifest; a glob becomes its files.

    Args:
        inputs: names, globs, folders, lists or URLs.
        fetch: copy what is missing or has changed; else refuse where anything is.

    Raises:
        DataError: nothing there, unreadable, too large for the disk, or cut off on its way.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    found: list[str] = []
    for name in _with_lists(inputs):
        if is_remote(name):
            found += _fetched(name, fetch)
        else:
            found.append(name)
    return found


def fetch_plan(inputs: Sequence[str | Path]) -> FetchPlan | None:
    """What `local_inputs` would copy; None where nothing is remote."""
    urls = [name for name in _with_lists(inputs) if is_remote(name)]
    if not urls:
        return None
    missing = [file for url in urls for file in _listed(url)[1] if not _is_current(file)]
    return FetchPlan(len(missing), sum(file.size or 0 for file in missing), str(_cache()))


def url_of(path: str | Path) -> str:
    """Where a copy was fetched from; any other path as it is."""
    if not str(path).startswith(str(_cache()) + os.sep):
        return str(path)
    return str(_facts(Path(path)).get("url", path))


def _with_lists(inputs: Sequence[str | Path]) -> Iterator[str]:
    """The inputs; lists that name remote files give way to the names in them."""
    for name in map(str, inputs):
        if name.startswith("@"):
            names = names_in_list(name[1:])
            if any(map(is_remote, names)):
                yield from names
                continue
        yield name


def _fetched(url: str, fetch: bool) -> list[str]:
    """The local folder of a URL, or its local files."""
    with one_process_at_a_time(_cache() / ".locks" / hashlib.sha256(url.encode()).hexdigest()[:16]):
        folder, files = _listed(url)
        missing = [file for file in files if not _is_current(file)]
        size = sum(file.size or 0 for file in missing)
        plan = FetchPlan(len(missing), size, str(_cache()))
        if missing and not fetch:
            raise DataError(f"{url} is not here yet: {plan.text}", "without --dry-run it is copied")
        if size > free_bytes(_cache()):
            raise DataError(
                f"{url}: {plan.text}, where {human_bytes(free_bytes(_cache()))} are free",
                "set XDG_CACHE_HOME to a folder on a larger disk",
            )
        if missing:
            log.logger.info("copying %s: %s", url, plan.text)
            _fetch(missing, size)
    if folder is None:
        hidden = (MANIFEST, _HIDDEN_MANIFEST)
        return [str(file.here) for file in files if not file.name.endswith(hidden)]
    _forget_others(folder, {file.here for file in files})
    return [str(folder)]


def _listed(url: str) -> tuple[Path | None, list[_Remote]]:
    """(the local folder if the URL is one, the files it names with the manifests beside them)."""
    import fsspec

    with remote_errors(url):
        system, place = fsspec.core.url_to_fs(url)
        http = url.startswith(("http://", "https://"))
        if glob.has_magic(place) and not http:
            found = {name: facts for name, facts in system.glob(place, detail=True).items()
                     if facts.get("type") != "directory"}  # fmt: skip
            folder = None
        elif url.endswith("/") if http else system.isdir(place):
            found = system.find(place, detail=True)
            folder = _here(url.rstrip("/"))
        else:
            found, folder = {place: system.info(place)}, None
        if http:  # listings have neither sizes nor states
            found = {
                name: system.info(name)
                for name in found
                if "?" not in _base(name) or folder is None
            }
        root = place.rstrip("/") + "/"
        inside = [name for name in found if not _is_hidden(name.removeprefix(root), folder)]
        files = [_remote(system, name, found[name]) for name in sorted(inside)]
        if not files:
            raise DataError(f"no files at {url}", "check the path; globs must be quoted")
        if not http:
            files += _manifests_beside(system, files, place if folder else "")
    return folder, list({file.here: file for file in files}.values())


def _manifests_beside(system: Any, files: Sequence[_Remote], folder: str) -> Iterator[_Remote]:
    """Manifests in the folders of files, or above a folder, such as that of a split."""
    places = [posixpath.dirname(folder.rstrip("/"))] if folder else []
    places += [] if folder else sorted({posixpath.dirname(file.name) for file in files})
    for place in filter(None, places):
        for name in (f"{place}/{MANIFEST}", f"{place}/{_HIDDEN_MANIFEST}"):
            try:
                facts = system.info(name)
            except Exception:  # there is none, or it may not be seen
                continue
            if facts.get("type") != "directory":
                yield _remote(system, name, facts)


def _is_hidden(name: str, folder: Path | None) -> bool:
    if folder is None:
        return False
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) and not name.endswith(_HIDDEN_MANIFEST)


def _remote(system: Any, name: str, facts: dict[str, Any]) -> _Remote:
    url = str(system.unstrip_protocol(name.lstrip("/") if _is_memory(system) else name))
    size = facts.get("size")
    states = [f"{key} {facts[key]}" for key in _VALIDATORS if facts.get(key)]
    return _Remote(
        system=system,
        name=name,
        url=url,
        size=None if size is None else int(size),
        state="; ".join(states),
        here=_here(url),
    )


def _is_memory(system: Any) -> bool:
    return "memory" in (
        system.protocol if isinstance(system.protocol, tuple) else [system.protocol]
    )


def _here(url: str) -> Path:
    """Where the copy of a URL belongs: folders of its own names below the cache."""
    protocol, _, rest = url.partition("://")
    rest, _, query = rest.partition("?") if protocol.startswith("http") else (rest, "", "")
    parts = [part if part not in (".", "..") else f"%{part}" for part in rest.split("/") if part]
    if query:
        parts.insert(-1, hashlib.sha256(query.encode()).hexdigest()[:8])
    return _cache().joinpath(protocol.replace(":", "_"), *parts)


def _facts_path(here: Path) -> Path:
    return here.with_name(f".{here.name}{_FACTS}")


def _facts(here: Path) -> dict[str, Any]:
    try:
        found = json.loads(_facts_path(here).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_current(file: _Remote) -> bool:
    """Whether the copy is there, as it was written, and storage has nothing newer."""
    known = _facts(file.here)
    try:
        local = file.here.stat()
    except OSError:
        return False
    return (
        file.size is not None
        and known.get("url") == file.url
        and (known.get("bytes"), known.get("state")) == (file.size, file.state)
        and (known.get("bytes"), known.get("written")) == (local.st_size, local.st_mtime_ns)
    )


def _fetch(missing: Sequence[_Remote], size: int) -> None:
    bar = log.progress(total=size, unit="B", scale=True, description="copy")
    with bar, ThreadPoolExecutor(_AT_ONCE) as pool:
        for count in pool.map(_copy, missing):
            bar.update(count)


def _copy(file: _Remote) -> int:
    """Copy a file; it has its name once it is whole."""
    changed = " (it was fetched before, and has changed)" if file.here.exists() else ""
    log.logger.debug("copying %s%s", file.url, changed)
    file.here.parent.mkdir(parents=True, exist_ok=True)
    with temporary_path(file.here) as partial:
        try:
            file.system.get_file(file.name, str(partial))
            size = partial.stat().st_size
            if file.size is not None and size != file.size:
                raise DataError(
                    f"{file.url}: {size:,} bytes came, not {file.size:,}",
                    "run the same command again: it keeps what is complete",
                )
            digest = hashlib.sha256()
            with open(partial, "rb") as stream:
                while block := stream.read(CHUNK):
                    digest.update(block)
            os.replace(partial, file.here)
        except DataError:
            raise
        except Exception as error:  # of the protocol's own kinds
            raise DataError(
                f"cannot copy {file.url}: {error}",
                "run the same command again: it keeps what is complete",
            ) from error
        finally:
            partial.unlink(missing_ok=True)
    facts = {"url": file.url, "bytes": size, "state": file.state, "sha256": digest.hexdigest()}
    facts["written"] = file.here.stat().st_mtime_ns
    with atomic_write(_facts_path(file.here), sync=False) as stream:
        stream.write(json.dumps(facts).encode())
    return size


def _forget_others(folder: Path, current: set[Path]) -> None:
    """Remove copies below a folder of what storage has no more."""
    for facts in folder.rglob(f".*{_FACTS}"):
        here = facts.with_name(facts.name[1:].removesuffix(_FACTS))
        if here not in current:
            here.unlink(missing_ok=True)
            facts.unlink(missing_ok=True)


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _cache() -> Path:
    return cache_folder() / "remote"
