"""Reads plain text with blank lines between documents."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.text import decoded, too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile


def read_blocks(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file of several documents with blank lines between them."""
    held = DocumentBytes(options.max_bytes)
    for line in lines(file):
        if not line.begins or line.blob.strip():
            held.add(line)
        elif held.size:
            yield _document(file, held, options)
            held = DocumentBytes(options.max_bytes)
    if held.size:
        yield _document(file, held, options)


def _document(file: RawFile, held: DocumentBytes, options: ReadOptions) -> RawDocument | Rejected:
    name = f"{file}:{held.number}"
    if held.too_large:
        return too_large(name, options)
    return decoded(held.blob, name, file, held.offset)


FORM = Form(name="documents", help="documents between blank lines", read=read_blocks)
