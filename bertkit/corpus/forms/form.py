"""Defines what a form of raw text is: its name, how it is detected and how it is read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bertkit.corpus.document import Found, Piece, Treatment, parsed
from bertkit.corpus.raw_file import UTF8, RawFile


class Span(NamedTuple):
    """Some bytes of a file that are read by themselves.

    Attributes:
        start, stop: in the file as it is.
        line: number of the line that begins at `start`, for forms that name lines.
    """

    start: int
    stop: int
    line: int = 1


def spans_between(starts: Iterable[int], total: int) -> list[Span]:
    """The spans that begin at these places, the first of which is 0, of a file of `total` bytes."""
    ends = [*starts, total]
    return [Span(start, stop) for start, stop in itertools.pairwise(ends)]


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may need besides the raw file.

    Attributes:
        max_bytes: a larger document is rejected, not kept in memory.
        span: one of `Form.spans`; None for the whole file.
        namespaces: numbers of the namespaces to take from a MediaWiki dump.
        variant: of the language of a wiki that is written in several; "" takes the usual one.
        unknown_templates: what those within a sentence leave: `drop`, nothing; `last`, their
            last argument.
        text_key: the key, column or field that holds the text; empty: the reader finds it.
        title_key: the one that holds the title; empty: `title`, where there is one.
        encoding: that of the text in members of an archive, as `RawFile.encoding` of the file.
        form: the form of the members of an archive; empty: each is looked at.
        depth: archives around the file.
    """

    max_bytes: int = 64_000_000
    span: Span | None = None
    namespaces: tuple[int, ...] = (0,)
    variant: str = ""
    unknown_templates: str = "drop"
    text_key: str = ""
    title_key: str = ""
    encoding: str = UTF8
    form: str = ""
    depth: int = 0


@dataclass(frozen=True)
class Form:
    """One form of raw text, a row of the table in `bertkit.corpus.forms`.

    A file, or a member of an archive, is recognised by the first of these that any form
    claims: its first bytes, the command that wrote it, its first line, the ending of its name
    (`forms.detect`). Functions must stand at the top level of a module, so that worker
    processes can get them.

    Attributes:
        name: the word for `extract --form`.
        help: what such a file is, in a few words, for the help of `--form`.
        read: (raw file, options) → its documents, or pieces that hold documents
            (`document.Unparsed`); raises DataError for a file that cannot be read. The file
            may be a member of an archive, which is read once, from its start: use `lines`,
            `open_source`, or `RawFile.open_seekable` for what must be read at any place.
        signature: whether these first bytes (65,536 at most, unpacked) begin such a file.
        endings: of the names of such files, lower case, without that of a compression.
        first_line: whether a first line that is not blank begins such a file; of a long line
            it gets the first bytes.
        reason: by what the functions above recognise it, for the line that says so.
        describe: (raw file, first bytes as UTF-8, options) → more words for that line, such as
            the key of the text; raises DataError for a file of this form that cannot be used.
        written_by: commands of bertkit whose output folders hold such files.
        container: a file of files; asked before the others, whose signatures could stand
            within its first member.
        keyed: the text stands under a key, or in a column, that `--text-key` names.
        one_sentence_per_line: the text is split already, `--splitter` does not count.
        titled: the text repeats the document's title as its first line.
        escaped: the text spells < > & as entities.
        chains: the exact chains of `--chain` that begin with such files.
        spans: (raw file with a local path, bytes, options) → consecutive spans of about so many
            bytes that can be read each by itself, one for a file that cannot be cut; what they
            give one after the other is what the whole file gives. None where files of the form
            are read as a whole.
        require: raises MissingDependencyError where a package to read it is missing.
    """

    name: str
    help: str
    read: Callable[[RawFile, ReadOptions], Iterator[Piece]]
    signature: Callable[[bytes], bool] | None = None
    endings: tuple[str, ...] = ()
    first_line: Callable[[bytes], bool] | None = None
    reason: str = ""
    describe: Callable[[RawFile, bytes, ReadOptions], str] | None = None
    written_by: tuple[str, ...] = ()
    container: bool = False
    keyed: bool = False
    one_sentence_per_line: bool = False
    titled: bool = False
    escaped: bool = False
    chains: tuple[str, ...] = ()
    spans: Callable[[RawFile, int, ReadOptions], list[Span]] | None = None
    require: Callable[[], object] | None = None

    @property
    def treatment(self) -> Treatment:
        """What becomes of the text of its documents."""
        return Treatment(self.one_sentence_per_line, self.titled, self.escaped)

    def documents(self, file: str | RawFile, options: ReadOptions | None = None) -> Iterator[Found]:
        """The documents of a file, all read by this process; errors as `read`."""
        return parsed(self.read(RawFile.of(file), options or ReadOptions()))
