"""Reads JSON lines: one object per line, its text under the key `text`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile


def begins_with_object(line: bytes) -> bool:
    """True if a line is a JSON object."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read_jsonl(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """A file with one JSON object per line: `text`, optionally `id` and `title`.

    WikiExtractor's `--json` output is such a file.
    """
    held = DocumentBytes(options.max_bytes)
    for line in lines(file):
        if line.begins and held.size:
            yield _document(file, held, options)
            held = DocumentBytes(options.max_bytes)
        held.add(line)
    if held.size:
        yield _document(file, held, options)


def _document(file: RawFile, held: DocumentBytes, options: ReadOptions) -> RawDocument | Rejected:
    name = f"{file}:{held.number}"
    if held.too_large:
        return too_large(name, options)
    blob = held.blob.strip()
    if not blob:
        return RawDocument(name, "", "")
    try:
        value = json.loads(blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {error.start} of the line")
    except (ValueError, RecursionError) as error:
        return Rejected(name, f"not JSON: {error}")
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return Rejected(name, 'no text: expected an object with a "text" string')
    title = value.get("title")
    given = value.get("id")
    return RawDocument(
        str(given) if given is not None else name,
        title if isinstance(title, str) else "",
        value["text"],
    )


FORM = Form(
    name="jsonl",
    help="a `text` key per line",
    read=read_jsonl,
    endings=(".jsonl", ".ndjson"),
    first_line=begins_with_object,
)
