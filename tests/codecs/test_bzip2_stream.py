"""Both ways to unpack bzip2 give the same."""

import bz2
import io

import pytest

from bertkit.codecs import bzip2_stream
from bertkit.codecs.bzip2_stream import unpacked_streams

STREAMS = [b"one", b"", b"two " * 5000, b"three"]
PACKED = b"".join(map(bz2.compress, STREAMS))


@pytest.fixture(params=[0, 1 << 20], ids=["kernels", "library"])
def _way(request, monkeypatch):
    # Below so many bytes the library is taken; the first piece for the kernels is one byte.
    monkeypatch.setattr(bzip2_stream, "LITTLE", request.param or 1)


@pytest.mark.usefixtures("_way")
def test_all_streams():
    pieces = list(unpacked_streams(io.BytesIO(PACKED).read))
    assert b"".join(piece for piece, _ in pieces) == b"".join(STREAMS)
    assert pieces[-1][1] == len(PACKED)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("packed", "error"),
    [
        (PACKED[:-2], EOFError),
        (PACKED + b"BZ", EOFError),
        (PACKED + b"tail", OSError),
        (PACKED[:60] + b"\0" * 8 + PACKED[68:], OSError),
    ],
)
def test_damage(packed, error):
    with pytest.raises(error):
        list(unpacked_streams(io.BytesIO(packed).read))


def test_nothing():
    assert list(unpacked_streams(io.BytesIO().read)) == []
