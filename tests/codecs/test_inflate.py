"""gzip and zlib streams, read in pieces of any size."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from bertkit.codecs.inflate import InflatedStream, is_deflated

CONTENT = bytes(range(256)) * 700


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(CONTENT),
        zlib.compress(CONTENT, 1),
        gzip.compress(CONTENT[:1])
        + gzip.compress(b"")
        + gzip.compress(CONTENT[1:])
        + bytes(70_000),
        gzip.compress(bytes(3_000_000))[:0] + zlib.compress(CONTENT, 9),
    ],
)
def test_the_content_comes_back(packed, size):
    assert is_deflated(packed[:2])
    stream = InflatedStream(io.BytesIO(packed), ValueError)
    found = io.BytesIO()
    while part := stream.read(size):
        found.write(part)
        if size == 1 and found.tell() > 2000:
            return
    assert found.getvalue() == CONTENT
    assert stream.read(size) == b""


def test_a_stream_that_is_not_whole_is_no_shorter_one():
    for packed in (gzip.compress(CONTENT)[:-1], gzip.compress(CONTENT) + b"\x1f\x8b"):
        with pytest.raises(ValueError, match="cut off"):
            InflatedStream(io.BytesIO(packed), ValueError).readall()


def test_what_is_no_stream():
    assert not any(map(is_deflated, (b"", b"x", b"xy", b"{}", b"\x89HDF", b"\x1f")))
