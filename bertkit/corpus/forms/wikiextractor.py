"""WikiExtractor's output: `<doc id= url= title=>`, the title, the text, `</doc>`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.lines import lines

_ATTRIBUTE = re.compile(r'(\w+)="(.*?)"(?=\s+\w+=|\s*>)')


def is_wikiextractor(first_line: bytes) -> bool:
    """True if a file's first line opens an article."""
    return first_line.lstrip().startswith(b"<doc ")


def read_wikiextractor(path: str, max_bytes: int) -> Iterator[RawDocument | Rejected]:
    """Read the articles of a file, one in memory at a time.

    Text outside of articles is ignored. A title may hold quotation marks, as
    WikiExtractor does not escape them.

    Args:
        path: the file, compressed or not.
        max_bytes: an article with more is rejected.

    Yields:
        `RawDocument` with the article's own id, or `Rejected` for one that is too
        large, not UTF-8 (names the byte in the file), or never closed.

    Raises:
        DataError: the file cannot be read.
    """
    name, attributes = "", {}
    body: list[bytes] = []
    size = start = 0
    inside = False
    for line in lines(path):
        opens = line.begins and line.blob.startswith(b"<doc ")
        if opens:
            if inside:
                yield Rejected(name, "no </doc> before the next <doc")
            attributes = _attributes(line.blob)
            name = f"{path}:{line.number} (id {attributes.get('id', '?')})"
            body, size, inside = [], 0, True
            start = line.offset + len(line.blob)
        elif inside and line.begins and line.blob.rstrip() == b"</doc>":
            inside = False
            yield _article(path, name, attributes, body, size, start, max_bytes)
        elif inside:
            size += len(line.blob)
            if size <= max_bytes:
                body.append(line.blob)
            else:
                body.clear()
    if inside:
        yield Rejected(name, "no </doc> before the end of the file")


def _article(
    path: str,
    name: str,
    attributes: dict[str, str],
    body: list[bytes],
    size: int,
    start: int,
    max_bytes: int,
) -> RawDocument | Rejected:
    if size > max_bytes:
        return Rejected(name, f"{size:,} bytes, more than --max-document-megabytes allows")
    try:
        text = b"".join(body).decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {start + error.start} of {path}")
    title = html.unescape(attributes.get("title", ""))
    return RawDocument(attributes.get("id", name), title, text)


def _attributes(blob: bytes) -> dict[str, str]:
    return dict(_ATTRIBUTE.findall(blob.decode("utf-8", "replace")))
