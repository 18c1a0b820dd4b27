"""Reads JSON lines: one object per line, its text under a key, or one string per line."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.keyed.json import describe_json, is_json_lines, json_document
from bertkit.corpus.forms.keyed.keys import TextKeys
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile


def read_jsonl(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file with one JSON object per line: a text, optionally `id` and `title`; or one string.

    The outputs of WikiExtractor's `--json`, datatrove and NeMo Curator are such files.
    """
    keys = TextKeys(options)
    held = DocumentBytes(options.max_bytes)
    for line in lines(file):
        if line.begins and held.size:
            yield _document(file, held, options, keys)
            held = DocumentBytes(options.max_bytes)
        held.add(line)
    if held.size:
        yield _document(file, held, options, keys)


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
)
