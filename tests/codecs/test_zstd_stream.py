from __future__ import annotations

import io

import pytest

from bertkit.codecs import zstd_stream
from bertkit.codecs.zstd_stream import DamagedError, open_zstd
from bertkit.errors import MissingDependencyError

zstandard = pytest.importorskip("zstandard")
TEXT = b"A line of text.\n" * 10_000


def test_frames_with_and_without_their_size_and_frames_to_skip():
    packer = zstandard.ZstdCompressor()
    stream = packer.compressobj()  # does not know the size
    streamed = stream.compress(TEXT) + stream.flush()
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    blob = packer.compress(TEXT) + skipped + streamed
    assert open_zstd(io.BytesIO(blob)).read() == TEXT * 2


def test_a_frame_of_the_largest_window():
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    blob = stream.compress(TEXT) + stream.flush()
    assert open_zstd(io.BytesIO(blob)).read() == TEXT


@pytest.mark.parametrize("damage", ["cut", "junk", "changed"])
def test_damage_is_an_error_and_never_an_end(damage):
    blob = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)
    broken = {"cut": blob[:-1], "junk": blob + b"junk!", "changed": blob[:-9] + bytes(9)}[damage]
    with pytest.raises(DamagedError):
        open_zstd(io.BytesIO(broken)).read()


def test_without_a_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    monkeypatch.setitem(__import__("sys").modules, "compression.zstd", None)
    with pytest.raises(MissingDependencyError) as caught:
        zstd_stream.open_zstd(io.BytesIO(b""))
    assert "bertkit[zstd]" in caught.value.hint
