from __future__ import annotations

import io

import pytest

from bertkit.corpus.forms.xml.source import as_utf8, encoding_of, opened, root_element
from bertkit.errors import DataError


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<a>", b"a"),
        (b"<a/>", b"a"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<PubmedArticleSet>", b"PubmedArticleSet"),
        (b"<!-- <x> --> <!DOCTYPE y [<!ENTITY z 'w>'>]>\n<y-z a='b'>", b"y-z"),
        (b'<!DOCTYPE a PUBLIC "-//N>M//" "x.dtd">\n<?pi <b>?><n:a xmlns:n="u">', b"a"),
        ("<?xml version='1.0' encoding='UTF-16'?><a b='c'>".encode("utf-16"), b"a"),
        (b"<!-- " + b"long " * 100_000 + b"--><a>", b"a"),
        (b"<a", b""),
        (b"text <a>", b""),
        (b"<!-- never closed <a>", b""),
        (b"", b""),
    ],
)
def test_root_element(head, name):
    assert root_element(head) == name


def test_a_head_without_end_costs_linear_time():
    for start in (b"<!--", b"<?", b"<!DOCTYPE ", b"<!DOCTYPE a [", b" ", b"<!-- -->"):
        assert root_element(start * 50_000) == b""


def test_encodings():
    assert encoding_of(b"<a>") == "utf-8"
    assert encoding_of(b'<?xml version="1.0" encoding="latin1"?>') == "iso8859-1"
    assert encoding_of(b'<?xml version="1.0" encoding="utf-16"?>') == "utf-8"
    with pytest.raises(DataError, match="klingon"):
        encoding_of(b"<?xml version='1.0' encoding='klingon'?>")
    assert as_utf8("\u00e9".encode("utf-16")) == "\u00e9".encode()
    # A character cut off at the end is left out, wrong bytes stay wrong.
    assert as_utf8(b"<\0a") == b"<"
    with pytest.raises(UnicodeDecodeError):
        as_utf8(b"<?xml version='1.0' encoding='ascii'?>\xff").decode()


def test_a_long_file_comes_whole_from_a_stream_that_gives_little():
    class Slow(io.RawIOBase):
        def __init__(self, blob: bytes) -> None:
            self.blob = io.BytesIO(blob)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            block = self.blob.read(min(len(buffer), 70_001))
            buffer[: len(block)] = block
            return len(block)

    text = "<a>" + "\u00e9\U0001f600x" * 500_000 + "</a>"
    for coding in ("utf-16", "utf-8", "utf-8-sig"):
        root, blocks = opened(io.BufferedReader(Slow(text.encode(coding))))
        assert root == b"a"
        assert b"".join(blocks) == text.encode()


def test_what_no_encoding_has_is_no_text():
    """Numbers beyond Unicode in UTF-32: the bytes become such as no parser takes."""
    blob = "<a>b</a>".encode("utf-32-le") + b"\0\0\x11\xff"
    found = as_utf8(b"\xff\xfe\0\0" + blob)
    assert found.startswith(b"<a>b</a>")
    with pytest.raises(UnicodeDecodeError):
        found.decode()
