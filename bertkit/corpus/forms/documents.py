"""Reads plain text with blank lines between documents."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.forms.line_spans import line_spans
from bertkit.corpus.forms.text import decoded, too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile


def read_blocks(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file of several documents with blank lines between them, or a span of it."""
    held = DocumentBytes(options.max_bytes)
    for line in lines(file, options.span):
        if not line.begins or line.blob.strip():
            held.add(line)
        elif held.size:
            yield _document(file, held, options)
            held = DocumentBytes(options.max_bytes)
    if held.size:
        yield _document(file, held, options)


def spans_of(file: RawFile, size: int, options: ReadOptions) -> list[Span]:
    """Spans that begin behind a blank line."""
    return line_spans(file, size, ends=lambda line: not line.blob.strip())


def _document(file: RawFile, held: DocumentBytes, options: ReadOptions) -> RawDocument | Rejected:
    name = f"{file}:{held.number}"
    if held.too_large:
        return too_large(name, options)
    return decoded(held.blob, name, file, held.offset)


FORM = Form(
    name="documents", help="documents between blank lines", read=read_blocks, spans=spans_of
)
