from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess

import pytest

from bertkit.codecs.packed_stream import (
    PIECE,
    compression_of,
    decompression_errors,
    unpacked,
    without_ending,
)
from bertkit.errors import DataError

TEXT = b"one\ntwo\n" * 5000


def zstd(blob: bytes) -> bytes:
    return pytest.importorskip("zstandard").ZstdCompressor().compress(blob)


PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "lzma": lambda blob: lzma.compress(blob, format=lzma.FORMAT_ALONE),
}


class Trickle(io.RawIOBase):
    """A stream that cannot seek and gives a few bytes at a time, as networks do."""

    def __init__(self, blob: bytes) -> None:
        self.rest = blob

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        block = self.rest[: min(7, len(buffer))]
        self.rest = self.rest[len(block) :]
        buffer[: len(block)] = block
        return len(block)


@pytest.mark.parametrize("kind", PACK)
def test_content_tells_the_compression_whatever_the_name(kind):
    name = "a.lzma" if kind == "lzma" else "a.txt"
    blob = PACK[kind](TEXT)
    assert compression_of(blob[:16], name) == kind
    assert unpacked(io.BytesIO(blob), name).read() == TEXT
    assert unpacked(Trickle(blob), name).read() == TEXT
    if kind == "lzma":
        return
    # Several streams one after the other are one text.
    assert unpacked(io.BytesIO(PACK[kind](b"a\n") + PACK[kind](b"b\n")), name).read() == b"a\nb\n"


@pytest.mark.parametrize("kind", PACK)
def test_what_is_cut_off_is_an_error(kind):
    blob = PACK[kind](TEXT)
    with (
        pytest.raises(DataError, match=r"a\.lzma: the compressed data"),
        decompression_errors("a.lzma"),
    ):
        unpacked(io.BytesIO(blob[: len(blob) - 3]), "a.lzma").read()


@pytest.mark.parametrize("text", [b"", b"B", b"BZh is no bzip2\n", b"]\n", TEXT])
def test_text_stays_as_it_is(text):
    for name in ("a.txt", "a.gz", "a.br", "a.lzma"):
        assert compression_of(text[:16], name) == ""
        assert unpacked(io.BytesIO(text), name).read() == text


def test_two_layers_are_unpacked_and_more_refused():
    twice = gzip.compress(bz2.compress(TEXT))
    assert unpacked(io.BytesIO(twice), "a").read() == TEXT
    with pytest.raises(DataError, match="more than 2 times"):
        unpacked(io.BytesIO(lzma.compress(twice)), "a")


def test_lz4_and_the_like_are_refused_by_name():
    for mark, name in ((b"\x04\x22\x4d\x18", "lz4"), (b"\x1f\x9d\x90", r"compress \(\.Z\)")):
        with pytest.raises(DataError, match=name) as caught:
            unpacked(io.BytesIO(mark + bytes(20)), "a.txt")
        assert "unpack it first" in caught.value.hint


def test_a_file_of_the_gzip_program_with_a_name_in_its_head(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    subprocess.run(["gzip", str(tmp_path / "a.txt")], check=True)
    with open(tmp_path / "a.txt.gz", "rb") as raw:
        assert unpacked(raw, "x").read(PIECE) == TEXT


def test_endings_of_compressions_are_taken_off():
    assert without_ending("A.Jsonl.GZ") == "a.jsonl"
    assert without_ending("a.txt.zst.bz2") == "a.txt"
    assert without_ending("a.txt") == "a.txt"
