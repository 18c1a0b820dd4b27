"""Tells by its first bytes what a file is that is no text: one table for all who refuse it."""

from __future__ import annotations

import re

_TEXT_OF_IT = "take its text out first"
_UNPACK = "unpack it, then give the folder"
_RECORDS = "these are records or arrays, not text; see `bertkit inspect`"
_WEIGHTS = "these are weights, not text"
# First bytes → what the file is, and what to do.
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (rb"%PDF-", "a PDF document", f"{_TEXT_OF_IT}, for example with pdftotext"),
    (rb"\xd0\xcf\x11\xe0", "an Office document of before 2007", _TEXT_OF_IT),
    (rb"\{\\rtf", "an RTF document", _TEXT_OF_IT),
    (rb"%!PS", "PostScript", _TEXT_OF_IT),
    (rb"AT&TFORM", "a DjVu document", _TEXT_OF_IT),
    (rb".{60}(?:BOOKMOBI|TEXtREAd)", "a Mobipocket book", _TEXT_OF_IT),
    (rb"\x89PNG", "a PNG image", ""),
    (rb"\xff\xd8\xff", "a JPEG image", ""),
    (rb"GIF8[79]a", "a GIF image", ""),
    (rb"II\*\0|MM\0\*", "a TIFF image", ""),
    (rb"BM.{4}\0\0\0\0", "a BMP image", ""),
    (rb"RIFF.{4}(?:WAVE|WEBP|AVI )", "audio, a film or an image", ""),
    (rb"ID3|OggS|fLaC", "audio", ""),
    (rb".{4}ftyp|\x1aE\xdf\xa3", "a film, or audio", ""),
    (rb"\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe", "a program", ""),
    (rb"MZ.{0,58}\0", "a Windows program", ""),
    (rb"\xca\xfe\xba\xbe|\0asm", "a compiled program", ""),
    (rb"SQLite format 3\0", "an SQLite database", "export a table to CSV first"),
    (rb"\x89HDF\r\n", "an HDF5 file", _RECORDS),
    (rb"\x93NUMPY", "a NumPy array", _RECORDS),
    (rb"\x80[\x02-\x05][\x8a\x95c}(\]KX]", "a Python pickle", "write its text as JSON lines"),
    (rb".{7}\0\{\"", "a safetensors file", _WEIGHTS),
    (rb"GGUF", "a GGUF model", _WEIGHTS),
    (rb"MMIDIDX\0", "an index of Megatron's records", _RECORDS),
    (rb"PARE", "an encrypted Parquet file", "write it without encryption"),
    (rb"FEA1", "a Feather file of version 1", "write it again with pyarrow.feather"),
    (rb"Obj\x01", "an Avro file", "convert it to Parquet or JSON lines"),
    (rb"ORC", "an ORC file", "convert it to Parquet or JSON lines"),
    (rb"SEQ[\x04-\x06]", "a Hadoop sequence file", "convert it to Parquet or JSON lines"),
    (
        rb"-- (?:MySQL|MariaDB) dump |--\n-- PostgreSQL database",
        "an SQL dump",
        "export a table to CSV",
    ),
    (rb"WEBVTT\s", "subtitles", _TEXT_OF_IT),
    (rb"1\r?\n\d\d:\d\d:\d\d[,.]\d{3} -->", "subtitles", _TEXT_OF_IT),
    (rb"PMID- ?\d+\r?\n", "PubMed's text format", "fetch the XML files instead"),
    (rb"HTTP/\d[.\d]* \d{3} ?", "an HTTP response", _TEXT_OF_IT),
    (rb"(?:\d+:\d+:[^\n]+\n){2}", "the index of a MediaWiki dump", "the dump is the other file"),
    (rb"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (rb"Rar!", "a RAR archive", _UNPACK),
    (rb"!<arch>\n|07070[127]|MSCF\0", "an archive of files", _UNPACK),
)
_KNOWN = tuple((re.compile(mark, re.DOTALL), what, hint) for mark, what, hint in _MARKS)
_ANY_MARK = re.compile(b"|".join(mark for mark, _, _ in _MARKS), re.DOTALL)
_LONGEST_MARK = 80


def marked(head: bytes) -> tuple[str, str] | None:
    """(what a file is, what to do where text is wanted), if it begins with a known mark.

    Args:
        head: its first bytes, unpacked; some 80 are enough.
    """
    begin = head[:_LONGEST_MARK]
    # One search tells that there is nothing to do, as for nearly all text.
    for mark, what, hint in _KNOWN if _ANY_MARK.match(begin) else ():
        if mark.match(begin):
            return what, hint
    return ("a TFRecord file", _RECORDS) if is_tfrecord(head) else None


def is_tfrecord(head: bytes) -> bool:
    """Whether the first 16 bytes are the frame of a TFRecord, its length proved by a checksum."""
    if len(head) < 16 or not head[:8].strip(b"\0") or head[6:8] != b"\0\0":
        return False
    from bertkit.codecs.checksum import masked_crc32c

    return masked_crc32c(head[:8]) == int.from_bytes(head[8:12], "little")
