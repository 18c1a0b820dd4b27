"""Walks input folders: every file once, whatever links, hidden files and own outputs lie there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bertkit import log
from bertkit.errors import DataError, UsageError, shortened
from bertkit.manifests.manifest import (
    NAME,
    Manifest,
    is_own_manifest,
    read_manifest,
    require_complete,
)
from bertkit.storage.kernel_folders import is_made_by_kernel

# Files that stand beside the text of a data set, and what they are counted as.
METADATA = "metadata"
_BESIDE = re.compile(
    r"_success|_(common_)?metadata|dataset_infos?\.json|dataset_dict\.json|state\.json"
    r"|(md5|sha\d+)sums?(\.txt)?|.*\.(md5|sha1|sha256|sha512|crc|sig|asc)",
    re.IGNORECASE,
)
# So many files that are left out are named, of each kind.
_NAMED = 5
# What systems and their archivers leave in folders, beside names that begin with a dot.
_OF_SYSTEMS = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
_OF_SYSTEMS |= {"system volume information", "lost+found"}

_NO_FILE = "as it is no file but a pipe or a device"

FileKey = tuple[int, int] | str


class FoundFile(NamedTuple):
    """A file of a folder.

    Attributes:
        path: below the folder as it was given.
        key: the same for all names of the same file.
    """

    path: str
    key: FileKey


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no input: hidden, or a system's own.

    Args:
        name: without the folders above it.
    """
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def describes_data_set(name: str) -> bool:
    """Whether a file, by its bare name, stands beside the text of a data set, such as checksums."""
    return _BESIDE.fullmatch(name) is not None


def has_hidden_part(path: str) -> bool:
    """Whether a file, or a folder above it, is no input; `.` and `..` do not count."""
    return any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))


def key_of(path: str | Path, facts: os.stat_result | None = None) -> FileKey:
    """What names a file or folder, the same for all its names.

    Args:
        path: local.
        facts: of `os.stat`, where they are known.

    Raises:
        OSError: it is not there.
    """
    facts = facts or Path(path).stat()
    # Some file systems number nothing.
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(path)


def walk_folder(
    folder: str, suffixes: Sequence[str] = (), leave_out: Sequence[str | Path] = ()
) -> list[FoundFile]:
    """The files below a folder, sorted by path; each once, under its own name if it has one there.

    Left out are hidden files and folders and those of systems (`is_hidden`), manifests, what
    `leave_out` names, and folders that bertkit made from files of this one. Links to files are
    taken; links to folders are followed once, never to a folder above. What else is left out,
    such as a link to nothing, a pipe or a folder of the kernel's, is said in the log.

    Args:
        folder: local.
        suffixes: only names with one of these endings; all if empty.
        leave_out: files and folders that a command writes.

    Raises:
        DataError: a folder below was left incomplete by a bertkit run; or the folder is one of the
            kernel's.
        UsageError: the folder itself is in `leave_out`.
    """
    walk = _Walk(folder, suffixes, leave_out)
    found = walk.files()
    walk.report()
    return found


def holds_more_than(folder: str, most: int) -> bool:
    """Whether more than so many files and folders lie below a folder, where `walk_folder` looks.

    Args:
        folder: local.
        most: of them; no more are looked at.

    Raises:
        DataError: as `walk_folder`.
    """
    try:
        _Walk(folder, most=most).files()
    except _TooManyError:
        return True
    return False


class _TooManyError(Exception):
    """A walk has seen more than it was to look at."""


class _Walk:
    """One walk; `left` collects what was left out, by the reason."""

    def __init__(
        self,
        folder: str,
        suffixes: Sequence[str] = (),
        leave_out: Sequence[str | Path] = (),
        most: int = 0,
    ) -> None:
        if is_made_by_kernel(Path(folder).stat()):
            raise DataError(
                f"{folder} holds no files, but what the kernel tells of this machine",
                "give a folder of a disk",
            )
        self.folder = folder
        self._most, self._seen = most, 0
        self._suffixes = tuple(suffixes)
        self.left: dict[str, list[str]] = {}
        self._own = {key_of(place) for place in leave_out if os.path.exists(place)}
        root = key_of(folder)
        if root in self._own:
            raise UsageError(
                f"{folder} is input and output at once", "give another folder for --output"
            )
        self._folders = {root}  # walked, or being walked
        self._above = {key_of(place) for place in Path(os.path.realpath(folder)).parents}
        self._files: dict[FileKey, str] = {}
        self._links: list[str] = []

    def files(self) -> list[FoundFile]:
        """Files of their own first; then links, which give way to them."""
        self._enter(self.folder)
        while self._links:
            links, self._links = sorted(self._links), []
            for path in links:
                self._follow(path)
        return sorted(FoundFile(path, key) for key, path in self._files.items())

    def report(self) -> None:
        """Say what was left out."""
        for reason, paths in self.left.items():
            log.warn_once(f"left out, {reason}: {shortened(paths, _NAMED)}")

    def _leave_out(self, path: str, reason: str) -> None:
        self.left.setdefault(reason, []).append(path)

    def _enter(self, folder: str) -> None:
        """Take the files of a folder and of those below it."""
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            for entry in self._entries(place):
                if entry.is_symlink():
                    self._links.append(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    if self._is_new_folder(entry.path, entry.stat(follow_symlinks=False)):
                        waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    self._take(entry.path, entry.stat(follow_symlinks=False))
                else:
                    self._leave_out(entry.path, _NO_FILE)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                some = islice(entries, self._most + 1) if self._most else entries
                for entry in sorted(some, key=lambda entry: entry.name):
                    self._seen += 1
                    if self._most and self._seen > self._most:
                        raise _TooManyError
                    if entry.name == NAME:
                        if not is_own_manifest(entry.path):
                            self._leave_out(entry.path, "another program's list of files")
                    elif not is_hidden(entry.name):
                        yield entry
        except OSError as error:
            self._leave_out(folder, f"as it cannot be read ({error.strerror})")

    def _take(self, path: str, facts: os.stat_result) -> None:
        key = key_of(path, facts)
        if key in self._own or (self._suffixes and not path.endswith(self._suffixes)):
            return
        if key in self._files:
            self._leave_out(path, "the same file under another name")
            return
        self._files[key] = path

    def _is_new_folder(self, path: str, facts: os.stat_result) -> bool:
        """Whether a folder is to be walked; notes that it is."""
        key = key_of(path, facts)
        if key in self._folders or key in self._own:
            return False
        if is_made_by_kernel(facts):
            self._leave_out(path, "as the kernel makes up its files")
            return False
        manifest = read_manifest(path)
        if manifest is not None and self._made_from_here(manifest, path):
            self._leave_out(path, "as bertkit made it from files of the same folder")
            return False
        require_complete(path)
        self._folders.add(key)
        return True

    def _made_from_here(self, manifest: Manifest, folder: str) -> bool:
        root = os.path.realpath(self.folder)
        names = [str(entry.get("path", "")) for entry in manifest.inputs[:1000]]
        # A relative name counts from where that run stood: often a folder above.
        places = [Path(), *Path(folder).absolute().parents]
        return any(
            os.path.realpath(place / name).startswith(root + os.sep)
            for name in filter(None, names)
            for place in (places if not Path(name).is_absolute() else places[:1])
            if os.path.exists(place / name)
        )

    def _follow(self, path: str) -> None:
        """Take what a link leads to, if nothing else does."""
        try:
            facts = Path(path).stat()
        except OSError:
            self._leave_out(path, "a link to nothing, or in a circle")
            return
        if stat.S_ISREG(facts.st_mode):
            self._take(path, facts)
        elif not stat.S_ISDIR(facts.st_mode):
            self._leave_out(path, _NO_FILE)
        elif key_of(path, facts) in self._above:
            self._leave_out(path, "a link to a folder above the input")
        elif key_of(path, facts) not in self._folders:
            if self._is_new_folder(path, facts):
                self._enter(path)
        else:
            self._leave_out(path, "a link to a folder that is read anyway")


def once(found: Sequence[FoundFile], said: Callable[[str], None] | None = None) -> list[str]:
    """The paths of these files in their order, each file under its first name only.

    Args:
        found: files; the same one may occur again.
        said: told of each that does.
    """
    taken: dict[FileKey, str] = {}
    for path, key in found:
        if taken.setdefault(key, path) is not path and said is not None:
            said(path)
    return list(taken.values())
