"""Refuses what is no text by the name of what it looks like, before it becomes training text."""

from __future__ import annotations

import ast
import json
import re

from bertkit.codecs.packed_stream import ENDINGS, without_ending
from bertkit.corpus.forms.keyed.csv import TABLES, lacks_header
from bertkit.corpus.forms.machine_text import machine_kind
from bertkit.corpus.forms.structured import structured_kind
from bertkit.corpus.forms.xml.source import root_element
from bertkit.corpus.raw_file import RawFile, is_utf8, marked_encoding
from bertkit.errors import NotTextError
from bertkit.kinds.marks import marked
from bertkit.kinds.vocabulary_lines import holds_vocabulary
from bertkit.text.encoding import iconv_command, wide_encoding

_INSIST = "--form text takes it as it is"
_TEXT_OF_IT = "take its text out first"
# Members that tell what else a zip archive is.
_ZIPPED = (
    (rb"word/|xl/|ppt/|_rels/|\[Content_Types\]", "an Office document"),
    (rb"mimetypeapplication/epub", "an EPUB book"),
    (rb"mimetypeapplication/vnd\.oasis", "an OpenDocument file"),
    (rb"META-INF/MANIFEST", "a Java archive"),
    (rb"PK\x03\x04.{26}[^\0]{0,80}/?data\.pkl", "a PyTorch checkpoint"),
    (rb"PK\x03\x04.{26}[^\0/]{1,60}\.npy", "arrays of NumPy (.npz)"),
)
_ZIP_KINDS = tuple((re.compile(mark, re.DOTALL), what) for mark, what in _ZIPPED)
# No comment reaches beyond its end, so that there is one way to read a row of them.
_HTML = re.compile(
    rb"(?:\s|<!--(?:(?!-->).)*-->)*<(?:!doctype\s+html|(?:html|head|body|div|p|br|table|span|script|style|meta|"
    rb"title|h[1-6]|ul|ol|a|img|center|font|section|article|main|nav)(?=[\s>/]))",
    re.IGNORECASE | re.DOTALL,
)
# Marks of sentences and the like in text for language models.
_TOKENS = {b"s", b"unk", b"bos", b"eos", b"sos", b"pad", b"sep", b"cls", b"mask"}
_TAG = re.compile(rb"</?[A-Za-z][\w:.-]*[^<>]{0,200}>")
# Bytes that stand in no text: controls except tab, line ends, form feed, escape.
_CONTROL = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F])
# Elements of HTML anywhere in a text: so many, and one of them in so many bytes.
_ELEMENTS = re.compile(
    rb"</?(?:p|br|div|span|td|tr|li|ul|ol|h[1-6]|table|body|html|script|head|"
    rb"(?:a|img|p|div|span|td|table)\s[^<>]{1,500})\s*/?>",
    re.IGNORECASE,
)
_MANY = 6
_OFTEN = 100
_PRINTED = re.compile(rb"\s*(?:\{\s*['\"]|\[\s*\{\s*'|\[\s*'|\(\s*')")
_ARRAYS = re.compile(rb"\s*(\[[^\n]*\])[ \t\r]*\n\s*\[")


def refuse_zipped_document(file: RawFile, head: bytes) -> None:
    """Refuse a document, or arrays, that are a zip archive inside.

    Raises:
        NotTextError: names what it looks like.
    """
    if head.startswith(b"PK\x03\x04"):
        for mark, what in _ZIP_KINDS:
            if mark.search(head[:4096]):
                raise _refused(file, what, _TEXT_OF_IT if "/" not in what else "")


def refuse_foreign(file: RawFile, head: bytes, text: bytes) -> None:
    """Refuse a file of which no form knows the content, unless that is plain text.

    Args:
        file: the raw file.
        head: its first bytes, unpacked.
        text: the same as UTF-8.

    Raises:
        NotTextError: says what it looks like and what to do.
    """
    for begin in (head, text) if text != head else (head,):
        if found := marked(begin):
            raise _refused(file, *found)
    if is_tar_header(head):
        raise _refused(file, "a tar archive", "is it damaged? Unpack it, then give the folder")
    if holds_vocabulary(text):
        raise _refused(file, "a WordPiece vocabulary", "give the text that it was made from")
    _refuse_encoding(file, head, text)
    _refuse_markup(file, text)
    if kind := structured_kind(file.name, text):
        raise _refused(file, kind, _TEXT_OF_IT)
    if found := machine_kind(text):
        raise _refused(file, *found)
    _refuse_data(file, text)


def is_tar_header(head: bytes) -> bool:
    """True if the first 512 bytes are a header of tar by their own checksum, of any kind of tar."""
    block = head[:512]
    if len(block) < 512 or not block.strip(b"\0"):
        return False
    found = re.fullmatch(rb"[ \0]*([0-7]{1,7})[ \0]*", block[148:156])
    return found is not None and int(found[1], 8) == sum(block[:148] + b" " * 8 + block[156:])


def _refused(file: RawFile, what: str, hint: str) -> NotTextError:
    return NotTextError(f"{file} looks like {what}", f"{hint}; {_INSIST}" if hint else _INSIST)


def _refuse_encoding(file: RawFile, head: bytes, text: bytes) -> None:
    """Refuse UTF-16 and UTF-32 without a mark, and bytes that are no text at all."""
    if is_utf8(file.encoding) and not marked_encoding(head)[0] and (coding := wide_encoding(head)):
        raise NotTextError(
            f"{file} looks like {coding.upper()} without a byte order mark, not {file.encoding}",
            f"give --encoding {coding}, or convert it: {iconv_command(coding)}",
        )
    controls = len(text) - len(text.translate(None, _CONTROL))
    if controls * 50 <= len(text) or controls < 2:
        return
    zeros = text.count(b"\0")
    kind = f"binary data ({zeros} zero bytes" if zeros else f"binary data ({controls} control bytes"
    named = next((end for end in ENDINGS if file.name.lower().endswith(end)), "")
    hint = f"its name ends in {named}, but it is not packed so, or is damaged" if named else ""
    raise _refused(file, f"{kind} in its first {len(text):,})", hint)


def _refuse_markup(file: RawFile, text: bytes) -> None:
    start = text.lstrip()
    elements = len(_ELEMENTS.findall(text)) if b"<" in text else 0
    often = elements >= _MANY and elements * _OFTEN >= len(text)
    if _HTML.match(text) or often or (elements and _named_markup(file)):
        raise _refused(file, "HTML", f"{_TEXT_OF_IT}, for example with trafilatura")
    if start.startswith(b"<"):
        root = root_element(text)
        tags = len(_TAG.findall(text[:8192]))
        if root and root.lower() not in _TOKENS:
            is_xml = _closing(root).search(text) or tags >= 5 or _named_markup(file)
        else:
            is_xml = None
        if is_xml or start.startswith((b"<?xml", b"<!DOCTYPE")):
            name = f"the root element <{root.decode()}>" if root else "an unknown root element"
            raise _refused(file, f"XML with {name}, which is not known", _TEXT_OF_IT)


def _closing(root: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"</(?:[\w.-]+:)?" + re.escape(root))


def _named_markup(file: RawFile) -> bool:
    return without_ending(file.name).endswith((".xml", ".html", ".htm", ".xhtml", ".sgml"))


def _refuse_data(file: RawFile, text: bytes) -> None:
    """Refuse arrays of JSON, values that Python printed, and rows without a header."""
    if arrays := _ARRAYS.match(text):
        try:
            json.loads(arrays[1])
        except (ValueError, RecursionError):
            return
        raise _refused(file, "lines of JSON arrays", "write objects with a text key instead")
    if _PRINTED.match(text):
        try:
            ast.literal_eval(text.lstrip().partition(b"\n")[0].decode())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return
        raise _refused(file, "values as Python prints them", "write them with json.dumps")
    if lacks_header(text) and not without_ending(file.name).endswith(TABLES):
        hint = "write a first line with the names of its columns, and see --text-key"
        raise _refused(file, "a table without a header", hint)
