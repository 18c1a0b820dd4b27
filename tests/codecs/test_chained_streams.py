"""Packed streams one behind the other, and what may stand behind the last."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import zlib

import pytest

from bertkit.codecs import chained_streams

CONTENT = bytes(range(256)) * 700
KINDS = {
    "gzip": (gzip.compress, chained_streams.open_gzip),
    "zlib": (zlib.compress, chained_streams.open_zlib),
    "bzip2": (bz2.compress, chained_streams.open_bzip2),
    "xz": (lzma.compress, chained_streams.open_xz),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def unpack(kind: str, packed: bytes, size: int = -1) -> bytes:
    stream = KINDS[kind][1](io.BytesIO(packed), "a")
    return b"".join(iter(lambda: stream.read(size), b""))


@every_kind
@pytest.mark.parametrize("size", [1000, -1])
def test_all_streams_come_back(kind, size):
    pack = KINDS[kind][0]
    streams = [pack(CONTENT[:1]), pack(b""), pack(CONTENT[1:]), bytes(70_000)]
    assert unpack(kind, b"".join(streams), size) == CONTENT
    assert unpack(kind, pack(bytes(3_000_000)), size) == bytes(3_000_000)


@every_kind
def test_pieces_of_any_size(kind):
    stream = KINDS[kind][1](io.BytesIO(KINDS[kind][0](CONTENT[:999])), "a").raw
    found = bytearray()
    one = bytearray(1)
    while stream.readinto(one):
        found += one
    assert found == CONTENT[:999]


@every_kind
def test_a_stream_that_is_not_whole_is_no_shorter_one(kind):
    packed = KINDS[kind][0](CONTENT)
    for cut in (packed[:-1], packed[: len(packed) // 2], packed + packed[:-3]):
        with pytest.raises(EOFError):
            unpack(kind, cut)


@every_kind
@pytest.mark.parametrize("junk", [b"x", b"trailing junk\n" * 9, bytes(9) + b"y" * 200_000])
def test_bytes_behind_the_last_stream_are_left_out_and_said(kind, junk, caplog):
    packed = KINDS[kind][0](CONTENT)
    chained_streams._warn_of_rest.cache_clear()
    assert unpack(kind, packed + junk) == unpack(kind, packed + junk) == CONTENT
    size = len(junk.lstrip(b"\0"))
    assert caplog.messages == [f"a: {size:,} bytes behind the compressed data are left out"]


def test_as_gzip_itself_does(tmp_path):
    program = shutil.which("gzip")
    if not program:
        pytest.skip("no gzip program")
    packed = gzip.compress(CONTENT) + b"trailing junk\n"
    done = subprocess.run([program, "-dc"], input=packed, capture_output=True, check=False)
    assert b"trailing garbage ignored" in done.stderr
    assert done.stdout == unpack("gzip", packed)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("gap", [1, 70_000])
def test_damage_between_streams_is_not_the_end(kind, gap):
    pack = KINDS[kind][0]
    with pytest.raises(OSError, match=f"{gap} bytes between two streams"):
        unpack(kind, pack(b"one") + b"x" * gap + pack(b"two"))


def test_what_begins_as_zlib_does():
    assert all(chained_streams.is_zlib(zlib.compress(b"a", level)) for level in range(10))
    assert not any(map(chained_streams.is_zlib, (b"", b"x", b"xy", b"{}", b"\x89HDF", b"\x1f")))
