"""Reads WikiExtractor's output: `<doc id= url= title=>`, the title, the text, `</doc>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.entities import unescape
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.text import decoded
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile

# A value without an end takes the rest of the line, in which no other value could end.
_ATTRIBUTE = re.compile(r'(?<!\w)(\w+)="(?:(.*?)"(?=\s+\w+=|\s*>)|.*)')


def is_wikiextractor(first_line: bytes) -> bool:
    """True if a file's first line opens an article."""
    return first_line.lstrip().startswith(b"<doc ")


def read_wikiextractor(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """Read the articles of a file, one in memory at a time.

    Text outside of articles is ignored. A title may hold quotation marks, as
    WikiExtractor does not escape them.

    Args:
        file: compressed or not.
        options: an article with more than `max_bytes` is rejected.

    Yields:
        `RawDocument` with the article's own id, or `Rejected` for one that is too
        large, not UTF-8 (names the byte in the file), or never closed.

    Raises:
        DataError: the file cannot be read.
    """
    article: _Article | None = None
    for line in lines(file):
        if line.begins and line.blob.startswith(b"<doc "):
            if article:
                yield Rejected(article.name, "no </doc> before the next <doc")
            attributes = _attributes(line.blob)
            name = f"{file}:{line.number} (id {attributes.get('id', '?')})"
            article = _Article(name, attributes, DocumentBytes(options.max_bytes))
        elif article and line.begins and line.blob.rstrip() == b"</doc>":
            yield _document(file, article)
            article = None
        elif article:
            article.body.add(line)
    if article:
        yield Rejected(article.name, "no </doc> before the end of the file")


class _Article(NamedTuple):
    """An article that is being read."""

    name: str
    attributes: dict[str, str]
    body: DocumentBytes


def _document(file: RawFile, article: _Article) -> RawDocument | Rejected:
    name, attributes, body = article
    if body.too_large:
        return Rejected(name, f"{body.size:,} bytes, more than --max-document-megabytes allows")
    found = decoded(body.blob, name, file, body.offset)
    if isinstance(found, Rejected):
        return found
    title = unescape(attributes.get("title", ""))
    return RawDocument(attributes.get("id", name), title, found.text)


def _attributes(blob: bytes) -> dict[str, str]:
    found = _ATTRIBUTE.finditer(blob.decode("utf-8", "replace"))
    return {match[1]: match[2] for match in found if match[2] is not None}


FORM = Form(
    name="wikiextractor",
    help="<doc> blocks",
    read=read_wikiextractor,
    first_line=is_wikiextractor,
    chains=("mlperf",),
    titled=True,
    escaped=True,
)
