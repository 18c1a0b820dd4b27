"""Reads plain text, one document per file."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.lines import lines


def read_text(path: str, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file that is one document."""
    body: list[bytes] = []
    size = 0
    for line in lines(path):
        size += len(line.blob)
        if size > options.max_bytes:
            yield too_large(path, options)
            return
        body.append(line.blob)
    yield decoded(b"".join(body), path, path, 0)


def decoded(blob: bytes, name: str, path: str, start: int) -> RawDocument | Rejected:
    """Bytes of a file as a document.

    Args:
        blob: the bytes.
        name: what names the document in messages.
        path: of the file.
        start: offset of the bytes in the file.
    """
    try:
        return RawDocument(name, "", blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {start + error.start} of {path}")


def too_large(name: str, options: ReadOptions) -> Rejected:
    """A document that is larger than the options allow."""
    return Rejected(name, f"larger than --max-document-megabytes {options.max_bytes // 1_000_000}")


FORM = Form(name="text", help="one document per file", read=read_text)
