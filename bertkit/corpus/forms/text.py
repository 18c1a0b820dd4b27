"""Reads plain text, one document per file."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.lines import lines
from bertkit.corpus.raw_file import RawFile, as_utf8, encoding_of, is_utf8, marked_encoding

_BLOCKS = "if it holds many documents with blank lines between them, give --form documents"


def read_text(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file that is one document."""
    if file.blob is not None and len(file.blob) <= options.max_bytes // 4:  # grows as UTF-8
        yield decoded(as_utf8(file.blob, encoding_of(file), whole=True), str(file), file, 0)
        return
    body: list[bytes] = []
    size = 0
    for line in lines(file):
        size += len(line.blob)
        if size > options.max_bytes:
            found = too_large(str(file), options)
            yield Rejected(found.id, f"{found.reason}; {_BLOCKS}")
            return
        body.append(line.blob)
    yield decoded(b"".join(body), str(file), file, 0)


def decoded(blob: bytes, name: str, file: RawFile, start: int) -> RawDocument | Rejected:
    """Bytes of a file as a document.

    Args:
        blob: the bytes, as UTF-8.
        name: what names the document in messages.
        file: where they stand.
        start: offset of the bytes in the file.
    """
    try:
        return RawDocument(name, "", blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        where = f"at byte {start + error.start} of {file}"
        coding = marked_encoding(file.head(4))[0] or encoding_of(file)
        if is_utf8(coding):
            # Its last bytes begin a character, or are one of another encoding.
            cut = ", where it ends: cut off?" if error.reason == "unexpected end of data" else ""
            return Rejected(name, f"not UTF-8 {where}{cut}")
        return Rejected(name, f"not {coding}: damaged {where}, counted in UTF-8")


def too_large(name: str, options: ReadOptions) -> Rejected:
    """A document that is larger than the options allow."""
    return Rejected(name, f"larger than --max-document-megabytes {options.max_bytes // 1_000_000}")


FORM = Form(name="text", help="one document per file", read=read_text)
