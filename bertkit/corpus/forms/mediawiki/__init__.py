"""Reads MediaWiki XML dumps, such as those of Wikipedia.

dump               pages cut out of the file, and which of them are articles
site               what its head says of the wiki: language, names of namespaces
wikitext           a page's wikitext as plain text, in one pass
wikitext_rules     what becomes of templates, links and elements
templates/         tables of templates that stand for words, by language
parser_functions   {{#if:}} and its like
variants           -{ }- of wikis that are written in several scripts
wikitext_fallback  the few pages whose markers do not match
prose              the last touch, when the markup is gone
enterprise         HTML dumps of Wikimedia Enterprise, and html_text, their text
"""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.raw_file import RawFile

UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def is_mediawiki(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin a dump, in UTF-8 or UTF-16."""
    if head[:1].isalnum():  # nearly all text ends here
        return False
    coding = UTF16.get(head[:2])
    text = head.decode(coding, "ignore").encode() if coding else head
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<?xml"):
        text = text.partition(b"?>")[2].lstrip()
    return text.startswith((b"<mediawiki", b"<page>"))


def read_mediawiki(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The pages of a dump; see `dump.read_pages`."""
    from bertkit.corpus.forms.mediawiki.dump import read_pages

    return read_pages(file, options)


def spans_of(file: str | RawFile, size: int, options: ReadOptions | None = None) -> list[Span]:
    """Spans of a dump that can be read each by itself; see `dump.spans_of`."""
    from bertkit.corpus.forms.mediawiki import dump

    return dump.spans_of(file, size, options)


def require_parser() -> None:
    """Raise MissingDependencyError where mwparserfromhell is not installed."""
    from bertkit.corpus.forms.mediawiki import wikitext_fallback

    wikitext_fallback.parser()


FORM = Form(
    name="mediawiki",
    help="XML dumps",
    read=read_mediawiki,
    signature=is_mediawiki,
    spans=spans_of,
    require=require_parser,
)
