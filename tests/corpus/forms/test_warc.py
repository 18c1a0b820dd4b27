from __future__ import annotations

import gzip

import pytest

from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.warc import FORM
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError
from corpus.forms.reading import read, write


def record(kind: str, text: str, url: str = "") -> bytes:
    blob = text.encode()
    fields = [f"WARC-Type: {kind}", f"Content-Length: {len(blob)}"]
    fields += [f"WARC-Target-URI: {url}"] if url else []
    return "\r\n".join(["WARC/1.0", *fields, "", ""]).encode() + blob + b"\r\n\r\n"


def test_wet_file_of_several_gzip_members(tmp_path):
    records = [
        record("warcinfo", "Software-Info: x\r\n"),
        record("conversion", "Überschrift\nText.\n", "http://a/1"),
        record("conversion", "x" * 500, "http://a/2"),
        record("conversion", "WARC/1.0\r\nis text here", "http://a/3"),
    ]
    path = write(tmp_path, "a.wet", b"".join(map(gzip.compress, records)))
    assert detect(RawFile.of(path)).form is FORM
    assert read(FORM, path, max_bytes=100) == [
        Skipped("warcinfo"),
        RawDocument("http://a/1", "", "Überschrift\nText.\n"),
        Rejected("http://a/2", "larger than --max-document-megabytes 0"),
        RawDocument("http://a/3", "", "WARC/1.0\r\nis text here"),
    ]


def test_pages_as_fetched_are_refused(tmp_path):
    blob = record("warcinfo", "") + record("response", "HTTP/1.1 200 OK\r\n\r\n<html>", "http://a")
    with pytest.raises(NotTextError, match="web pages as they were fetched"):
        detect(RawFile.of(write(tmp_path, "a.warc", blob)))


def test_a_cut_off_record_is_rejected(tmp_path):
    path = write(tmp_path, "a.wet", record("conversion", "x" * 500)[:-100])
    (found,) = read(FORM, path)
    assert isinstance(found, Rejected)
