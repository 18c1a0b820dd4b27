"""Keeps the names of documents beside the parts that hold them, and finds documents by name.

A part has sentences only. What its documents were called, the file and the place in an
archive, or the number of an article, stands in the hidden file `.PART.names`, a line per
document in their order; so lists of names can be applied to what `extract` wrote.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from bertkit.corpus.document import Document, read_documents
from bertkit.corpus.lines import lines
from bertkit.errors import DataError

_ARCHIVE = re.compile(r"(\.tar)?\.(xz|gz|bz2|zst|tgz|txz|tbz2?|tar|zip)$", re.IGNORECASE)
_ENDING = ".names"
_LINE_ENDS = re.compile(r"[\r\n]+")


def names_beside(part: str) -> str:
    """The file with the names of the documents of a part, hidden from whoever reads text."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, f".{name}{_ENDING}")


def name_line(name: str) -> bytes:
    """A document's name as a line of that file."""
    return _LINE_ENDS.sub(" ", name).encode("utf-8", "backslashreplace") + b"\n"


def remove_others(folder: str, parts: Collection[str]) -> None:
    """Delete names that are beside none of these parts: an earlier run had other ones."""
    for path in Path(folder).glob(f".*{_ENDING}"):
        if path.name[1:].removesuffix(_ENDING) not in parts:
            path.unlink(missing_ok=True)


def named_documents(part: str) -> Iterator[tuple[str, Document]]:
    """(name, document) of every document of a part.

    Raises:
        DataError: there are no names beside it, or not as many as documents.
    """
    place = names_beside(part)
    try:
        found = [line.blob.decode("utf-8").rstrip("\n") for line in lines(place)]
    except DataError as error:
        raise DataError(
            f"{part}: no names of its documents beside it ({error.message})",
            "bertkit extract writes them; lists also go with the unpacked files, without --input",
        ) from error
    count = 0
    for document in read_documents(part):
        count += 1
        if count > len(found):
            break
        yield found[count - 1], document
    if count != len(found):
        raise DataError(
            f"{part}: {len(found)} names and {count if count <= len(found) else 'more'} documents",
            "run `bertkit extract` again with --overwrite",
        )


def path_of(name: str) -> str:
    """A document's name as the path that it has where its archives are unpacked.

    `a.tar.xz!b/c.xz!d.txt` is `a/b/c/d.txt`, as after Cerebras' extract.sh.
    """
    *archives, last = name.split("!")
    return "/".join([*(_ARCHIVE.sub("", archive) for archive in archives), last])


class NameIndex:
    """Listed names, found by the ends of paths.

    Args:
        names: relative paths, each once.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {posixpath.normpath(name): name for name in names}
        self._depths = sorted({name.count("/") + 1 for name in self._names}, reverse=True)

    def find(self, name: str) -> str | None:
        """The listed name that a document's name ends in, or None."""
        pieces = path_of(name).split("/")
        ends = ("/".join(pieces[-depth:]) for depth in self._depths if depth <= len(pieces))
        return next((self._names[end] for end in ends if end in self._names), None)
