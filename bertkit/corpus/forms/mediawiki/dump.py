"""Reads MediaWiki XML dumps page by page, each page parsed by itself.

A page that is damaged, too large or never closed costs that page alone, whatever the
rest of the dump looks like; memory holds one page. A span of a large dump (some streams
of a multi-stream .bz2, some bytes of a plain .xml) can be read by itself, so that workers
share one file.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import mmap
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from bertkit.codecs.bzip2_stream import unpacked_streams
from bertkit.codecs.packed_stream import PIECE, decompression_errors, refuse_bomb
from bertkit.corpus.document import Found, Noticed, RawDocument, Rejected, Skipped, Unparsed
from bertkit.corpus.forms.form import ReadOptions, Span
from bertkit.corpus.forms.mediawiki import UTF16
from bertkit.corpus.forms.mediawiki.site import Site, is_redirect, site_of
from bertkit.corpus.forms.mediawiki.wikitext import plain_text
from bertkit.corpus.forms.mediawiki.wikitext_fallback import parser
from bertkit.corpus.forms.xml.elements import elements
from bertkit.corpus.noticed import UNKNOWN_TEMPLATE, WIKI
from bertkit.corpus.raw_file import RawFile
from bertkit.files import open_binary

# A stream of bzip2 begins with its level and the digits of pi.
_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_HEAD = 1 << 16
_PASS = "surrogatepass"


@dataclass(frozen=True)
class Dump:
    """What holds for all pages of a dump: names of its namespaces, and the numbers to take."""

    site: Site
    wanted: frozenset[str]


@dataclass(frozen=True)
class Page(Unparsed):
    """A page as it stands in the dump.

    Attributes:
        place: names it in messages.
        blob: its XML as UTF-8; None for one that is too large or never closed.
        dump: the dump it stands in.
    """

    place: str
    blob: bytes | None
    dump: Dump

    @property
    def size(self) -> int:
        """Bytes of its XML."""
        return len(self.blob or b"")

    def documents(self) -> Sequence[Found]:
        """The page as plain text.

        Returns:
            `RawDocument` for an article, with paragraphs between blank lines; `Skipped` for
            a redirect, a page of another namespace or one that is not wikitext; `Rejected`
            for a page that is too large, not UTF-8, not XML, or never closed. After an
            article, its templates that nothing is known of, as far as they stand within a
            sentence.
        """
        if self.blob is None:
            reason = "too large (--max-document-megabytes), or never closed"
            return (Rejected(self.place, reason),)
        try:
            return _document(self.place, self.blob, self.dump)
        except (ElementTree.ParseError, ValueError, RecursionError) as error:
            return (Rejected(self.place, f"not well-formed: {error}"),)


def read_pages(file: str | RawFile, options: ReadOptions) -> Iterator[Page | Noticed]:
    """The pages of a dump, after the name of its wiki, if it says that.

    Args:
        file: .xml, also compressed.
        options: how large a page may be, which span to read, which pages to take.

    Raises:
        DataError: the file cannot be read, or its compression is damaged.
        MissingDependencyError: mwparserfromhell is not installed.
    """
    parser()
    raw = RawFile.of(file)
    site = _site(raw, options.variant, options.unknown_templates)
    if site.name:
        yield Noticed(WIKI, site.name)
    dump = Dump(site, frozenset(map(str, options.namespaces)))
    span = options.span
    within = f" from byte {span[0]}" if span else ""
    for number, blob in enumerate(_pages(raw, options.max_bytes, span), start=1):
        yield Page(f"{file}, page {number}{within}", blob, dump)


def spans_of(path: str, size: int) -> list[Span]:
    """Spans of about `size` bytes of a local dump that can be read each by itself.

    Args:
        path: a dump.
        size: in bytes of the file as it is.

    Returns:
        Consecutive spans from 0 to the end of the file; one for a file that cannot be cut.
    """
    with open(path, "rb") as raw:
        total = raw.seek(0, 2)
        with contextlib.suppress(ValueError), mmap.mmap(raw.fileno(), 0, access=1) as view:
            packed = RawFile.of(path).compression()
            if packed == "bzip2":
                with bz2.BZ2File(path) as first:
                    coded = first.read(2) in UTF16
                starts = [] if coded else [found.start() for found in _STREAM.finditer(view)]
            elif not packed and view[:2] not in UTF16:
                starts = list(range(0, total, size))
            else:
                starts = []
            return _spans_between(starts, size, total)
    return [(0, total)]


def _spans_between(starts: Sequence[int], size: int, total: int) -> list[Span]:
    """Spans that begin at some of these places, each at least `size` long."""
    ends = [0]
    for start in starts:
        if start - ends[-1] >= size:
            ends.append(start)
    return list(zip(ends, [*ends[1:], total], strict=True))


def _site(file: RawFile, variant: str = "", unknown: str = "drop") -> Site:
    """The wiki, by the head of its dump."""
    head = file.head(_HEAD, b"</namespaces>")
    text = head.decode(UTF16.get(head[:2], "utf-8"), "replace")
    return site_of(text, variant, unknown)


@contextlib.contextmanager
def _opened(file: RawFile, span: Span | None) -> Iterator[IO[bytes]]:
    if span is None:
        with file.open() as stream:
            yield stream
        return
    with open_binary(file.path) as plain:
        plain.seek(span[0])
        yield plain


def _blocks(file: RawFile, span: Span | None) -> Iterator[bytes]:
    """The dump as UTF-8, in blocks of any size."""
    packed = file.compression() == "bzip2"
    raw = _unpacked_streams(file.path, span) if packed else _plain_blocks(file, span)
    decoder, first = None, True
    for block in raw:
        if first and block[:2] in UTF16:
            # Half a surrogate pair becomes bytes that the parser of its page refuses.
            decoder = codecs.getincrementaldecoder(UTF16[block[:2]])(_PASS)
        first = first and not block
        yield decoder.decode(block).encode("utf-8", _PASS) if decoder else block


def _plain_blocks(file: RawFile, span: Span | None) -> Iterator[bytes]:
    with _opened(file, span) as stream:
        while block := stream.read(PIECE):
            yield block


def _unpacked_streams(path: str, span: Span | None) -> Iterator[bytes]:
    """All streams of a .bz2, or those of a span."""
    with decompression_errors(path), open_binary(path) as raw:
        start, stop = span or (0, sys.maxsize)
        if start:
            raw.seek(start)
        left = stop - start

        def read(size: int) -> bytes:
            nonlocal left
            packed = raw.read(min(left, size))
            left -= len(packed)
            return packed

        size = 0
        for block, packed in unpacked_streams(read):
            yield block
            size += len(block)
            refuse_bomb(path, packed, size)


def _pages(file: RawFile, max_bytes: int, span: Span | None) -> Iterator[bytes | None]:
    """The bytes of each page; None for one too large or without an end."""
    # Of a plain file only what begins before the end of the span belongs to it.
    stop = span[1] - span[0] if span and not file.compression() else None
    return elements(_blocks(file, span), ("page",), max_bytes, stop)


def _document(place: str, page: bytes, dump: Dump) -> Sequence[Found]:
    # No DOCTYPE can stand inside a page, so no entity is ever defined.
    root = ElementTree.fromstring(page)
    if root.find("redirect") is not None:
        return (Skipped("redirect"),)
    if (root.findtext("ns") or "0").strip() not in dump.wanted:
        return (Skipped("other namespace"),)
    revisions = root.findall("revision")
    if not revisions:
        return (Rejected(place, "a page without a revision"),)
    text = revisions[-1].findtext("text") or ""
    if is_redirect(text):
        return (Skipped("redirect"),)
    if (revisions[-1].findtext("model") or "wikitext").strip() != "wikitext":
        return (Skipped("not wikitext"),)
    title = root.findtext("title") or ""
    name = (root.findtext("id") or "").strip()
    unknown: list[tuple[str, str]] = []
    plain = plain_text(text, title, dump.site, unknown)
    article = RawDocument(f"{name} ({title})" if name else place, title, plain)
    return (article, *(Noticed(UNKNOWN_TEMPLATE, *found) for found in unknown))
