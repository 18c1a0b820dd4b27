"""Reads JSON lines: one object per line, its text under a key, or one string per line."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.forms.keyed.json import describe_json, is_json_lines, json_document
from bertkit.corpus.forms.keyed.keys import TextKeys
from bertkit.corpus.forms.line_spans import line_spans
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile
from bertkit.storage.files import size_of

# A record that begins so far from the beginning, at most, tells the key of the text.
_NEAR = 1_000_000


def read_jsonl(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file with one JSON object per line: a text, optionally `id` and `title`; or one string.

    The outputs of WikiExtractor's `--json`, datatrove and NeMo Curator are such files.
    """
    keys = TextKeys(options)
    if options.span and options.span.start:
        keys.text = keys.text or _first_key(file, options)[0]
    held = DocumentBytes(options.max_bytes)
    for line in lines(file, options.span):
        if line.begins and held.size:
            yield _document(file, held, options, keys)
            held = DocumentBytes(options.max_bytes)
        held.add(line)
    if held.size:
        yield _document(file, held, options, keys)


def spans_of(file: RawFile, size: int, options: ReadOptions) -> list[Span]:
    """Spans of whole lines, where the first megabyte tells under which key the text is."""
    key, behind = _first_key(file, options)
    return line_spans(file, size, least=behind) if key else [Span(0, size_of(file.path))]


def _first_key(file: RawFile, options: ReadOptions) -> tuple[str, int]:
    """The key of the text, as the first record with text tells it, and what is read for it.

    Every span needs it, since it holds for the whole file; it is empty if no record near the
    beginning tells it.
    """
    keys = TextKeys(options)
    behind = 0
    for line in lines(file) if not keys.text else ():
        behind = line.offset + len(line.blob)
        if len(line.blob) == PIECE and not line.blob.endswith(b"\n"):
            break  # a piece of a line, which may read as a record where the line is none
        held = DocumentBytes(options.max_bytes)
        held.add(line)
        _document(file, held, options, keys)
        if keys.text or behind > _NEAR:
            break
    return keys.text, behind


def _document(
    file: RawFile, held: DocumentBytes, options: ReadOptions, keys: TextKeys
) -> RawDocument | Rejected:
    name = f"{file}:{held.number}"
    if held.too_large:
        return too_large(name, options)
    blob = held.blob.strip(b" \t\r\n\f\v\x1e")  # \x1e: of a JSON text sequence
    if not blob:
        return RawDocument(name, "", "")
    return json_document(blob, name, keys)


FORM = Form(
    name="jsonl",
    help="an object with a text key per line",
    read=read_jsonl,
    signature=is_json_lines,
    endings=(".jsonl", ".ndjson"),
    reason="its first line is a JSON object",
    describe=describe_json,
    keyed=True,
    spans=spans_of,
)
