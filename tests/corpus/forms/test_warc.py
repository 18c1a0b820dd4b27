from __future__ import annotations

import gzip

import pytest

from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.warc import FORM
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError, NotTextError
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


@pytest.mark.parametrize("size", ["-", "-5", "abc", "²", "1" * 30, ""])
def test_a_record_says_its_size(tmp_path, size):
    blob = record("conversion", "text").replace(b"Length: 4", f"Length: {size}".encode())
    with pytest.raises(DataError, match=r"record 1: Content-Length is '.*', not a number of bytes"):
        read(FORM, write(tmp_path, "a.wet", blob))


def test_a_file_that_ends_within_a_record_says_so(tmp_path):
    whole = record("conversion", "text", "http://a")
    path = write(tmp_path, "a.wet", whole + record("metadata", "x" * 500)[:-100])
    assert read(FORM, path)[1:] == [Rejected(f"{path}, record 2", "cut off")]
    path = write(tmp_path, "b.wet", whole + b"WARC/1.0\r\nWARC-Type: conversion\r\n")
    with pytest.raises(DataError, match="record 2: has no Content-Length"):
        read(FORM, path)
    path = write(tmp_path, "c.wet", b"WARC/1.0\r\n" + b"a: b\r\n" * 20_000)
    with pytest.raises(DataError, match="the fields of a record do not end"):
        read(FORM, path)
