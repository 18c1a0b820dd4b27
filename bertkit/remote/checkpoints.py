"""Copies checkpoints of remote places to this machine: folders, and files by their prefix."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Sequence
from functools import partial

from bertkit.errors import DataError
from bertkit.remote.copies import local_copies
from bertkit.remote.errors import remote_errors
from bertkit.remote.facts import place_of_copy
from bertkit.remote.listing import RemoteFile, files_to_copy, is_http, remote_file, url_in
from bertkit.storage.files import is_remote

# What a checkpoint of one file, or of files with a common prefix, has beside it.
_BESIDE = ("config.json", "bert_config.json", "vocab.txt", "tokenizer_config.json", "checkpoint")


def local_checkpoint(place: str) -> str:
    """The local path of a checkpoint: a remote one is copied, and again when it has changed.

    Args:
        place: a path, or a URL of a folder, a file, or the prefix of a TensorFlow checkpoint.

    Raises:
        DataError: nothing is there, or it cannot be read.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(place):
        return place
    url = place.rstrip("/")
    local_copies(place, partial(_listed, place))
    return str(place_of_copy(url))


def local_checkpoints(places: Sequence[str]) -> list[str]:
    """`local_checkpoint` of each; remote globs stand for what they match, sorted by name."""
    return [local_checkpoint(url) for place in places for url in _matching(place)]


def _matching(place: str) -> list[str]:
    if not is_remote(place) or is_http(place) or not glob.has_magic(place):
        return [place]
    import fsspec

    with remote_errors(place):
        system, pattern = fsspec.core.url_to_fs(place)
        found = sorted(system.glob(pattern))
    if not found:
        raise DataError(f"nothing at {place}", "check the address")
    return [url_in(system, name) for name in found]


def _listed(place: str) -> tuple[bool, list[RemoteFile]]:
    """The files of a folder; or those that begin with a prefix, and what lies beside them."""
    import fsspec

    with remote_errors(place):
        system, root = fsspec.core.url_to_fs(place)
        system.invalidate_cache()
        if place.endswith("/") if is_http(place) else system.isdir(root):
            return True, files_to_copy(place)[1]
        above = posixpath.dirname(root)
        try:
            beside = {facts["name"]: facts for facts in system.ls(above, detail=True)}
        except FileNotFoundError:
            beside = {}
        begin = [name for name in beside if name == root or name.startswith(f"{root}.")]
        if not begin and is_http(place):  # a server that lists no folders
            return False, files_to_copy(place)[1]
        if not begin:
            above = posixpath.dirname(place)
            raise DataError(f"nothing at {place}", f"look at the names in {above}")
        begin += [name for name in beside if posixpath.basename(name) in _BESIDE]
        names = sorted(name for name in set(begin) if beside[name]["type"] == "file")
        if is_http(place):
            beside = {name: system.info(name) for name in names}
        return False, [remote_file(system, name, beside[name]) for name in names]
