"""Reads JSON arrays and pretty-printed JSON: one document per object, its text under a key."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.codecs.json_lines import parse_json
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.keyed.json_values import JsonHead, json_head, json_values
from bertkit.corpus.forms.keyed.keys import TextKeys, value_at
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.raw_file import RawFile, open_source
from bertkit.errors import DataError, NotTextError
from bertkit.tables.text_column import find_text_key


def is_json(head: bytes) -> bool:
    """True if the first bytes of a file begin an array, or an object of several lines."""
    found = json_head(head)
    return found is not None and (found.listed or not found.lines)


def is_json_lines(head: bytes) -> bool:
    """True if the first bytes of a file begin an object that stands on one line."""
    found = json_head(head)
    return found is not None and found.lines


def read_json(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """Each object of a file, or of its array; of an array also each string."""
    keys = TextKeys(options)
    with open_source(file) as stream:
        for number, blob in enumerate(json_values(stream, options.max_bytes), start=1):
            name = f"{file}, record {number}"
            yield too_large(name, options) if blob is None else json_document(blob, name, keys)


def json_document(blob: bytes, name: str, keys: TextKeys) -> RawDocument | Rejected:
    """A document from the bytes of an object, or of a string."""
    try:
        value = parse_json(blob.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {error.start} of the line")
    except DataError as error:
        return Rejected(name, error.message.removeprefix(f"{name}: "))
    if isinstance(value, str):
        return RawDocument(name, "", value)
    if not isinstance(value, dict):
        return Rejected(name, f'no text: expected an object with a "{keys.text or "text"}" string')
    return keys.document(value, name)


def describe_json(file: RawFile, head: bytes, options: ReadOptions) -> str:
    """Under which key the text of a file is found, as words.

    Raises:
        NotTextError: none of the objects in its head has text.
    """
    found = json_head(head)
    if found is None or (not found.values and found.cut):
        return ""
    key = next(filter(None, (_text_key(value, options) for value in found.values)), "")
    if key:
        return f'text under "{key}"'
    if any(isinstance(value, str) for value in found.values):
        return "each string is a text"
    if not found.values or (found.cut and not found.listed):
        return ""
    raise NotTextError(
        f"{file} is JSON, but {_kind(found)} without text{_keys(found, options)}",
        "name the key of the text with --text-key; --form text takes the file as it is",
    )


def _text_key(value: object, options: ReadOptions) -> str:
    if not isinstance(value, dict):
        return ""
    if options.text_key:
        held = isinstance(value_at(value, options.text_key), str)
        return options.text_key if held else ""
    return find_text_key(key for key, text in value.items() if isinstance(text, str))


def _kind(found: JsonHead) -> str:
    objects = all(isinstance(value, dict) for value in found.values)
    if not found.listed:
        return "an object" if len(found.values) == 1 else "objects"
    return "an array of objects" if objects else "an array"


def _keys(found: JsonHead, options: ReadOptions) -> str:
    keys = {key: None for value in found.values if isinstance(value, dict) for key in value}
    wanted = f' under "{options.text_key}"' if options.text_key else ""
    return wanted + (f"; its keys are {', '.join(list(keys)[:12])}" if keys else "")


FORM = Form(
    name="json",
    help="an array of objects with a text key, or objects of several lines",
    read=read_json,
    signature=is_json,
    endings=(".json",),
    reason="it begins a JSON array or an object of several lines",
    describe=describe_json,
    keyed=True,
)
