"""The kernels unpack what libbz2 packed, and refuse what it refuses."""

import bz2
import io
import random

import pytest

from bertkit.codecs.bzip2_blocks import Bzip2Blocks

RANDOM = random.Random(5)
TEXT = b" ".join(RANDOM.choice([b"to", b"be", b"or", b"not", b"aaaa"]) for _ in range(40_000))
SAMPLES = {
    "text": TEXT,
    "one byte": b"x",
    "nothing": b"",
    "all bytes": bytes(range(256)) * 40,
    "noise": RANDOM.randbytes(30_000),
    "runs": b"".join(bytes([n % 251]) * n for n in range(700)),
    "zeros": bytes(300_000),
    # So skewed that some codes are longer than what one look-up finds.
    "skewed": b"".join(bytes([k]) * (1 << max(0, 15 - k)) for k in range(60)),
}


def unpacked(packed: bytes, piece: int = 1 << 20) -> bytes:
    stream = io.BytesIO(packed)
    return b"".join(Bzip2Blocks(lambda size: stream.read(min(size, piece))))


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("name", SAMPLES)
def test_what_libbz2_packed(name, level):
    sample = bytearray(SAMPLES[name])
    if name == "skewed":
        RANDOM.shuffle(sample)
    assert unpacked(bz2.compress(bytes(sample), level)) == sample


def test_streams_one_behind_the_other_in_little_pieces():
    """More blocks than are walked at a time, of different lengths and levels."""
    samples = [TEXT[: 5_000 * k] for k in range(1, 12)] + [b"", TEXT * 2, b"end"]
    packed = b"".join(bz2.compress(sample, 1 + k % 9) for k, sample in enumerate(samples))
    assert unpacked(packed, piece=997) == b"".join(samples)


def test_any_damage_is_refused_where_libbz2_refuses_it():
    packed = bz2.compress(TEXT[:3000])
    refused = 0
    for place in range(0, 8 * len(packed), 11):
        damaged = bytearray(packed)
        damaged[place // 8] ^= 1 << place % 8
        try:
            wanted = bz2.decompress(damaged)
        except (OSError, ValueError):
            refused += 1
            with pytest.raises((OSError, EOFError)):
                unpacked(bytes(damaged))
        else:
            assert unpacked(bytes(damaged)) == wanted
    assert refused > 200


@pytest.mark.parametrize("cut", [1, 3, 10, 2000])
def test_cut_off(cut):
    packed = bz2.compress(TEXT) * 2
    with pytest.raises(EOFError):
        unpacked(packed[:-cut])


def test_the_blocks_before_damage_are_given():
    packed = bytearray(
        bz2.compress(TEXT[:90_000], 1) + bz2.compress(b"more") + b"BZh9 nonsense" * 9
    )
    given = []
    with pytest.raises(OSError, match="invalid"):
        given.extend(iter(Bzip2Blocks(io.BytesIO(packed).read)))
    assert b"".join(given) == TEXT[:90_000] + b"more"


def test_a_checksum_that_differs():
    """Of a block and of a whole stream."""
    packed = bytearray(bz2.compress(TEXT[:3000]))
    packed[10] ^= 1
    with pytest.raises(OSError, match="checksum"):
        unpacked(bytes(packed))
    packed = bytearray(bz2.compress(b""))
    packed[-1] ^= 1
    with pytest.raises(OSError, match="checksum"):
        unpacked(bytes(packed))
