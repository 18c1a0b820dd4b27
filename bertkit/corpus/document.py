"""Reads and writes documents: one sentence per line, blank lines between documents.

The form: UTF-8, each sentence on its own line, a blank line between documents.
It is what Google's, MLPerf's and NVIDIA's record makers read.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from bertkit.corpus.raw_file import open_source
from bertkit.errors import DataError
from bertkit.text.encoding import not_utf8

# A sentence of this size is a file that is not in the form.
MAX_LINE = 16 << 20


class Treatment(NamedTuple):
    """What becomes of the text of a form; see `bertkit.corpus.forms.form.Form`."""

    one_sentence_per_line: bool = False
    titled: bool = False
    escaped: bool = False


@dataclass(frozen=True)
class RawDocument:
    """A document as a reader found it: text with its own lines and paragraphs.

    Attributes:
        id: what names it in messages: the source's own id, or file and place in it.
        title: may be empty.
        text: lines separated by a newline, paragraphs by a blank line.
        treatment: that of its form, where this is not the form of the whole file: members of
            archives have forms of their own. None: the file's.
    """

    id: str
    title: str
    text: str
    treatment: Treatment | None = None


@dataclass(frozen=True)
class Rejected:
    """A document that could not be read.

    Attributes:
        id: file and place.
        reason: what is wrong with it.
    """

    id: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """Something in the source that is no document by design; it is counted by its kind.

    Attributes:
        kind: such as `redirect`.
    """

    kind: str


@dataclass(frozen=True)
class Noticed:
    """Something that was noticed in a source; it is counted, and shown on demand.

    Attributes:
        kind: such as `unknown template`.
        name: which one.
        example: where one stands, in a few words; may be empty.
    """

    kind: str
    name: str
    example: str = ""


# What the pieces of a source turn out to be.
Found = RawDocument | Rejected | Skipped | Noticed


class Unparsed(abc.ABC):
    """A piece of a source whose documents cost work to get, such as a page of a dump.

    Reading cuts a file into pieces quickly; any process may then take a piece apart.
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Bytes of the piece."""

    @abc.abstractmethod
    def documents(self) -> Iterable[Found]:
        """The documents in it."""


Piece = Found | Unparsed


@dataclass(frozen=True)
class _Treated(Unparsed):
    """An unparsed piece whose documents have a treatment of their own."""

    piece: Unparsed
    treatment: Treatment

    @property
    def size(self) -> int:
        return self.piece.size

    def documents(self) -> Iterator[Found]:
        for found in self.piece.documents():
            yield _treated(found, self.treatment)


def treated(piece: Piece, treatment: Treatment) -> Piece:
    """The piece, whose documents keep their form's treatment wherever they are taken from."""
    if isinstance(piece, Unparsed):
        return _Treated(piece, treatment)
    return _treated(piece, treatment)


def _treated(found: Found, treatment: Treatment) -> Found:
    if isinstance(found, RawDocument) and found.treatment is None:
        return replace(found, treatment=treatment)
    return found


def parsed(pieces: Iterable[Piece]) -> Iterator[Found]:
    """Every document of these pieces."""
    for piece in pieces:
        if isinstance(piece, Unparsed):
            yield from piece.documents()
        else:
            yield piece


@dataclass(frozen=True)
class Document:
    """A document as sentences.

    Attributes:
        id: what names it in messages; `FILE:LINE` of its first sentence when read from a file.
        title: may be empty; the file form does not keep it.
        sentences: each one line, stripped, never empty.
        script: the script of most letters, where it was looked at.
    """

    id: str
    title: str
    sentences: tuple[str, ...]
    script: str = field(default="", compare=False)

    def encode(self) -> bytes:
        """The document in the file form, without the blank line that separates it."""
        return "".join(f"{sentence}\n" for sentence in self.sentences).encode("utf-8")


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, blob: bytes, /) -> object:
        """Write bytes."""


class DocumentWriter:
    """Writes documents in the file form, and counts and hashes what it writes.

    Attributes:
        documents, sentences, bytes: written so far.
    """

    def __init__(self, stream: Sink) -> None:
        self.documents = self.sentences = self.bytes = 0
        self._stream = stream
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Digest of the bytes written so far."""
        return self._digest.hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest keeps of a file."""
        counts = {"documents": self.documents, "sentences": self.sentences}
        return {**counts, "bytes": self.bytes, "sha256": self.sha256}

    def write(self, document: Document) -> None:
        """Write a document, with a blank line before all but the first."""
        blob = b"\n" + document.encode() if self.documents else document.encode()
        self.write_bytes(blob, documents=1, sentences=len(document.sentences))

    def write_bytes(self, blob: bytes, documents: int, sentences: int) -> None:
        """Write text that has its final form already, and holds so many documents."""
        self._stream.write(blob)
        self._digest.update(blob)
        self.documents += documents
        self.sentences += sentences
        self.bytes += len(blob)


def read_documents(path: str) -> Iterator[Document]:
    """Read a file in the form, one document at a time.

    Only a newline ends a line. White space around a sentence is dropped, a line of
    nothing else is blank, and several blank lines separate as one does. Compressed
    files (.gz, .bz2, .xz) are read as they are.

    Raises:
        DataError: unreadable, not UTF-8 (names the byte), or a line above 16 MB.
    """
    sentences: list[str] = []
    first_line, offset, number = 1, 0, 0
    with open_source(path) as stream:
        while blob := stream.readline(MAX_LINE + 1):
            number += 1
            if len(blob) > MAX_LINE:
                raise DataError(
                    f"{path}:{number}: the line is longer than {MAX_LINE:,} bytes",
                    "a file of one sentence per line is expected; `bertkit extract` makes such",
                )
            sentence = decode_sentences(blob, path, number, offset).strip()
            offset += len(blob)
            if sentence:
                if not sentences:
                    first_line = number
                sentences.append(sentence)
            elif sentences:
                yield Document(f"{path}:{first_line}", "", tuple(sentences))
                sentences = []
    if sentences:
        yield Document(f"{path}:{first_line}", "", tuple(sentences))


def decode_sentences(blob: bytes, path: str, line: int, offset: int) -> str:
    """Bytes of a sentence file as text; `line` and `offset` are where they begin in it.

    Raises:
        DataError: not UTF-8; names line and byte, and what the file seems to be.
    """
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        line += blob.count(b"\n", 0, error.start)
        raise not_utf8(path, line, offset + error.start, blob, offset) from error
