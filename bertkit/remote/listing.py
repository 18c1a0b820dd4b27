"""Finds what a URL names in storage: a file, the files of a folder, or those of a glob."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertkit.errors import DataError
from bertkit.remote.errors import remote_errors
from bertkit.remote.facts import place_of_copy

MANIFEST = "manifest.json"
HIDDEN_MANIFEST = ".bertkit/manifest.json"
_INPUTS_OF_MANIFEST = ".manifest.inputs-"
# What storages call that which changes with a file's content, the surest first: listings and
# single answers agree in these, but not in how they write times.
_STATES = (
    "etag",
    "contentmd5",
    "md5hash",
    "generation",
    "blobid",
    "digest",
    "lastmodified",
    "mtime",
    "modified",
    "modificationtime",
    "created",
)


class Listing(NamedTuple):
    """What a URL names.

    Attributes:
        system: fsspec's file system.
        place: the URL as the file system calls it.
        kind: `file`, `folder` or `glob`.
        found: facts of the files by their names there.
    """

    system: Any
    place: str
    kind: str
    found: dict[str, dict[str, Any]]

    def inner(self, name: str) -> str:
        """A file's name below the folder; without folders for files and globs."""
        below = self.place.rstrip("/") + "/"
        return name.removeprefix(below) if self.kind == "folder" else posixpath.basename(name)

    def url(self, name: str) -> str:
        """The URL of a file."""
        return url_in(self.system, name)


class RemoteFile(NamedTuple):
    """A file in storage.

    Attributes:
        system: fsspec's file system.
        name: as the file system calls it.
        url: its URL.
        size: bytes; None where storage does not say.
        state: what changes with its content; empty where storage says nothing of the kind.
        copy: where its copy on this machine belongs.
    """

    system: Any
    name: str
    url: str
    size: int | None
    state: str
    copy: Path


def is_http(url: str) -> bool:
    """Whether a URL is one of a web server, where a folder's URL ends in `/`."""
    return url.startswith(("http://", "https://"))


def list_remote(url: str) -> Listing:
    """What storage says that a URL names, asked anew; a web folder is what its page links to.

    Raises:
        DataError: nothing there, or it cannot be read: see `remote_errors`.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    import fsspec

    with remote_errors(url):
        system, place = fsspec.core.url_to_fs(url)
        system.invalidate_cache()
        if glob.has_magic(place) and not is_http(url):
            kind, found = "glob", system.glob(place, detail=True)
        elif url.endswith("/") if is_http(url) else system.isdir(place):
            kind, found = "folder", _below(system, place)
        else:
            kind, found = "file", {place: {} if is_http(url) else system.info(place)}
    files = {
        name: found[name]
        for name in sorted(found)
        if found[name].get("type") != "directory"
        and not (is_http(url) and kind == "folder" and "?" in posixpath.basename(name))
    }
    if not files:
        raise DataError(f"no files at {url}", "check the address")
    return Listing(system, place, kind, files)


def url_in(system: Any, name: str) -> str:
    """The URL of a file by its name in a file system."""
    protocols = [system.protocol] if isinstance(system.protocol, str) else system.protocol
    return str(system.unstrip_protocol(name.lstrip("/") if "memory" in protocols else name))


def remote_file(system: Any, name: str, facts: dict[str, Any]) -> RemoteFile:
    """A file by its name and what storage says of it."""
    size = facts.get("size")
    said = {key.lower().replace("-", "").replace("_", ""): value for key, value in facts.items()}
    url = url_in(system, name)
    return RemoteFile(
        system=system,
        name=name,
        url=url,
        size=None if size is None else int(size),
        state=next((f"{key} {said[key]}" for key in _STATES if said.get(key)), ""),
        copy=place_of_copy(url),
    )


def files_to_copy(url: str) -> tuple[Listing, list[RemoteFile]]:
    """What a URL names, and its files, visible ones and manifests, with the manifests beside.

    Raises: as `list_remote`.
    """
    listed = list_remote(url)
    names = [name for name in listed.found if _is_wanted(listed.inner(name), listed.kind)]
    with remote_errors(url):
        if is_http(url):  # listings have neither sizes nor states
            facts = {name: listed.system.info(name) for name in names}
        else:
            facts = {name: listed.found[name] for name in names}
        files = [remote_file(listed.system, name, facts[name]) for name in names]
        if not files:
            raise DataError(f"no files at {url}, but hidden ones")
        if not is_http(url):
            files += _manifests_beside(listed, names)
    return listed, list({file.copy: file for file in files}.values())


def _below(system: Any, place: str) -> dict[str, dict[str, Any]]:
    """The files below a folder, by their names.

    Where a file system has no listing of its own for a whole tree, fsspec would leave out
    folders that it cannot read: these are gone through here.
    """
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    if isinstance(system, AsyncFileSystem):
        has_own = type(system)._find is not AsyncFileSystem._find
    else:
        has_own = type(system).find is not AbstractFileSystem.find
    if has_own:
        return dict(system.find(place, detail=True))
    found: dict[str, dict[str, Any]] = {}
    folders, seen = [place], {place.rstrip("/")}
    while folders:
        for facts in system.ls(folders.pop(), detail=True):
            name = str(facts["name"])
            if facts["type"] != "directory":
                found[name] = facts
            elif name.rstrip("/") not in seen:
                seen.add(name.rstrip("/"))
                folders.append(name)
    return found


def _is_wanted(inner: str, kind: str) -> bool:
    """Whether a file of a folder is copied: hidden ones are not, but for those of manifests."""
    if kind != "folder" or inner.endswith(HIDDEN_MANIFEST):
        return True
    *folders, base = inner.split("/")
    hidden = base.startswith(".") and not base.startswith(_INPUTS_OF_MANIFEST)
    return not hidden and not any(part.startswith(".") for part in folders)


def _manifests_beside(listed: Listing, names: list[str]) -> Iterator[RemoteFile]:
    """Manifests in the folders of files, or above a folder, such as that of a split."""
    system, place = listed.system, listed.place.rstrip("/")
    if listed.kind == "folder":
        places = {posixpath.dirname(place)}
    else:
        places = {posixpath.dirname(name) for name in names}
    for folder in sorted(filter(None, places)):
        try:
            inside = system.ls(folder, detail=True)
        except Exception:  # it may not be seen
            continue
        for facts in inside:
            base = posixpath.basename(facts["name"])
            if base == MANIFEST or base.startswith(_INPUTS_OF_MANIFEST):
                yield remote_file(system, facts["name"], facts)
        name = f"{folder}/{HIDDEN_MANIFEST}"
        if any(posixpath.basename(facts["name"].rstrip("/")) == ".bertkit" for facts in inside):
            yield from _if_there(system, name)


def _if_there(system: Any, name: str) -> Iterator[RemoteFile]:
    try:
        facts = system.info(name)
    except Exception:
        return
    yield remote_file(system, name, facts)
