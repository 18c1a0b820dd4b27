"""Reads MediaWiki XML dumps page by page, each page parsed by itself.

A page that is damaged, too large or never closed costs that page alone, whatever the
rest of the dump looks like; memory holds one page. A span of a large dump (some bytes of a
plain .xml, some blocks of a .bz2) can be read by itself, so that workers share one file: it
has the pages that begin in it, and reads on to the end of the last one.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import math
import mmap
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from bertkit.codecs.bzip2_stream import unpacked_streams
from bertkit.codecs.packed_stream import (
    MARK,
    PIECE,
    compression_of,
    decompression_errors,
    refuse_bomb,
)
from bertkit.corpus.document import Found, Noticed, RawDocument, Rejected, Skipped, Unparsed
from bertkit.corpus.forms.form import ReadOptions, Span, spans_between
from bertkit.corpus.forms.mediawiki import UTF16
from bertkit.corpus.forms.mediawiki.site import Site, is_redirect, site_of
from bertkit.corpus.forms.mediawiki.wikitext import plain_text
from bertkit.corpus.forms.mediawiki.wikitext_fallback import parser
from bertkit.corpus.forms.xml.elements import elements_within
from bertkit.corpus.noticed import UNKNOWN_TEMPLATE, WIKI
from bertkit.corpus.raw_file import RawFile
from bertkit.storage.files import open_binary

# A stream of bzip2 begins with its level and the digits of pi.
_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_HEAD = 1 << 16
# The next stream is looked for so far, at least, before a stream is cut between its blocks.
_NEAR = 1 << 20
_PASS = "surrogatepass"
_ROOT = "mediawiki"


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
    within = f" from byte {span.start}" if span else ""
    for number, blob in enumerate(_pages(raw, options.max_bytes, span), start=1):
        yield Page(f"{file}, page {number}{within}", blob, dump)


def spans_of(file: str | RawFile, size: int, options: ReadOptions | None = None) -> list[Span]:
    """Spans of about `size` bytes of a local dump that can be read each by itself.

    Args:
        file: a dump with a path.
        size: in bytes of the file as it is.
        options: count for nothing here.

    Returns:
        Consecutive spans from 0 to the end of the file, in its bytes as it is; one for a file
        that cannot be cut.
    """
    raw = RawFile.of(file)
    with open(raw.path, "rb") as stream:
        total = stream.seek(0, 2)
        with contextlib.suppress(ValueError), mmap.mmap(stream.fileno(), 0, access=1) as view:
            head = _unpacked_once(raw)
            if head and head[:2] not in UTF16 and not compression_of(head):
                return spans_between(_packed_starts(view, size), total)
            if not raw.compression() and view[:2] not in UTF16:
                return spans_between(range(0, total, size), total)
    return [Span(0, total)]


def _unpacked_once(file: RawFile) -> bytes:
    """The first bytes in a .bz2, which may be packed themselves; none where it is no .bz2."""
    if file.compression() != "bzip2":
        return b""
    with decompression_errors(file.path), open_binary(file.path) as raw, bz2.BZ2File(raw) as first:
        return first.read(MARK)


def _packed_starts(view: mmap.mmap, size: int) -> Iterator[int]:
    """Where spans of a .bz2 begin: at the next stream, or else at the next block.

    The bytes of a span say which: the head of a stream, or the mark of a block.
    """
    from bertkit.codecs.bzip2_places import next_block

    start: int | None = 0
    while start is not None:
        yield start
        wanted = start + size
        stream = _STREAM.search(view, wanted, wanted + max(size, _NEAR))
        start = stream.start() if stream else next_block(view, wanted)


def _site(file: RawFile, variant: str = "", unknown: str = "drop") -> Site:
    """The wiki, by the head of its dump."""
    return site_of(_head_of(file), variant, unknown)


def _head_of(file: RawFile) -> str:
    head = file.head(_HEAD, b"</namespaces>")
    return head.decode(UTF16.get(head[:2], "utf-8"), "replace")


class _Bounds:
    """Where a span ends in the bytes that are read for it: once that is known, if they are packed.

    Pages that begin before it are the span's; what follows is read for the last one's end.
    """

    def __init__(self, file: RawFile, span: Span | None) -> None:
        self.cut = span is not None
        self.begin = span.start if span else 0
        self.length: float = span.stop - span.start if span else math.inf
        head = _unpacked_once(file)
        self.packed = bool(head) and not compression_of(head)
        self.end: float = math.inf if self.packed else self.length


def _pages(file: RawFile, max_bytes: int, span: Span | None) -> Iterator[bytes | None]:
    """The bytes of each page; None for one too large or without an end."""
    bounds = _Bounds(file, span)
    root = _ROOT if _ROOT in _head_of(file) else ""
    blocks = _blocks(file, bounds)
    return elements_within(str(file), root, blocks, ("page",), max_bytes, lambda: bounds.end)


def _blocks(file: RawFile, bounds: _Bounds) -> Iterator[bytes]:
    """The dump as UTF-8, in blocks of any size."""
    raw = _unpacked(file, bounds) if bounds.packed else _plain(file, bounds)
    if bounds.cut:  # which no dump in UTF-16 is
        yield from raw
        return
    decoder, first = None, True
    for block in raw:
        if first and block[:2] in UTF16:
            # Half a surrogate pair becomes bytes that the parser of its page refuses.
            decoder = codecs.getincrementaldecoder(UTF16[block[:2]])(_PASS)
        first = first and not block
        yield decoder.decode(block).encode("utf-8", _PASS) if decoder else block


def _plain(file: RawFile, bounds: _Bounds) -> Iterator[bytes]:
    with open_binary(file.path) if bounds.cut else file.open() as stream:
        if bounds.cut:
            stream.seek(bounds.begin)
        while block := stream.read(PIECE):
            yield block


def _unpacked(file: RawFile, bounds: _Bounds) -> Iterator[bytes]:
    """All streams of a .bz2, or from a span's beginning on."""
    with decompression_errors(file.path), open_binary(file.path) as raw:
        size = 0
        for block, packed, place in _packed_blocks(raw, bounds):
            if place >= bounds.length:
                bounds.end = min(bounds.end, size)
            size += len(block)
            yield block
            refuse_bomb(file.path, packed, size)


def _packed_blocks(raw: IO[bytes], bounds: _Bounds) -> Iterator[tuple[bytes, int, int]]:
    """Blocks, what they and those before were packed in, and where in that each one begins."""
    if not bounds.cut:
        yield from ((block, packed, 0) for block, packed in unpacked_streams(raw.read))
        return
    from bertkit.codecs.bzip2_places import blocks_from

    raw.seek(bounds.begin)
    blocks = blocks_from(raw.read, int(bounds.length))
    for block in blocks:
        yield block, blocks.packed, blocks.place


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
