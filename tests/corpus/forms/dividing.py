"""Puts together what the parts of a file give, to compare it with what the whole file gives."""

from __future__ import annotations

from pathlib import Path

from bertkit.corpus.document import Found
from bertkit.corpus.document_names import names_beside
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError


def joined(folder: Path) -> tuple[bytes, bytes]:
    """Text and names of the documents of all parts of `extract`, as one part has them."""
    parts = sorted(folder.glob("part-*"))
    texts = [part.read_bytes() for part in parts]
    names = [Path(names_beside(str(part))).read_bytes() for part in parts]
    return b"\n".join(filter(None, texts)), b"".join(names)


def spans_of(form: Form, path: str, size: int, **more) -> list[Span]:
    """The spans of a file, which hold each of its bytes once; `more` are further `ReadOptions`."""
    options = ReadOptions(**more)
    spans = form.spans(RawFile(path, path=path, encoding=options.encoding), size, options)
    assert (spans[0].start, spans[-1].stop) == (0, Path(path).stat().st_size)
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert all(span.start < span.stop for span in spans)
    return spans


def found_in(form: Form, path: str, spans: list[Span | None], **more) -> tuple[list[Found], str]:
    """What these spans give, in their order, and the error that the first bad one ends with."""
    found: list[Found] = []
    try:
        for span in spans:
            options = ReadOptions(span=span, **more)
            found.extend(
                form.documents(RawFile(path, path=path, encoding=options.encoding), options)
            )
    except DataError as error:
        return found, str(error)
    return found, ""
