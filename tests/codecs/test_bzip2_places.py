"""Blocks are found wherever they begin, and nothing else is taken for one."""

import bz2
import io
import random
import shutil
import subprocess

import pytest

from bertkit.codecs.bzip2_blocks import Bzip2Blocks
from bertkit.codecs.bzip2_places import bit_of_block, blocks_from, next_block

RANDOM = random.Random(3)
TEXT = b" ".join(RANDOM.choice([b"to", b"be", b"or", b"not"]) for _ in range(150_000))
MARK = 0x314159265359


def places_in(packed: bytes) -> list[int]:
    found, at = [], 0
    while (place := next_block(packed, at)) is not None:
        found.append(place)
        at = place + 1
    return found


def unpacked_from(packed: bytes, place: int, stop: int = 0) -> list[bytes]:
    stream = io.BytesIO(packed[place:])
    return list(blocks_from(stream.read, stop))


@pytest.mark.parametrize("level", [1, 2])
def test_from_every_block_on_the_rest_is_what_libbz2_unpacks(level):
    packed = bz2.compress(TEXT, level)
    whole = list(Bzip2Blocks(io.BytesIO(packed).read))
    places = places_in(packed)
    assert len(places) == len(whole) > 1
    bits = {bit_of_block(packed[place : place + 7]) for place in places}
    assert len(bits) > 1, "not all begin at the same bit"
    plain = bz2.decompress(packed)
    for number, place in enumerate(places):
        rest = unpacked_from(packed, place)
        assert rest == whole[number:]
        assert plain.endswith(b"".join(rest))


@pytest.mark.skipif(not shutil.which("bzip2recover"), reason="no bzip2recover here")
def test_as_many_blocks_as_bzip2recover_finds(tmp_path):
    packed = bz2.compress(TEXT, 1) + bz2.compress(TEXT[:250_000], 2)
    (tmp_path / "a.bz2").write_bytes(packed)
    subprocess.run(["bzip2recover", "a.bz2"], cwd=tmp_path, check=True, capture_output=True)
    blocks = sorted(tmp_path.glob("rec*.bz2"))
    places = places_in(packed)
    assert len(places) == len(blocks)
    for place, block in zip(places, blocks, strict=True):
        assert unpacked_from(packed, place)[0] == bz2.decompress(block.read_bytes())


def test_the_head_of_a_stream_is_a_place_to_read_from_too():
    first, second = bz2.compress(TEXT[:1000]), bz2.compress(b"more")
    assert unpacked_from(first + second, len(first)) == [b"more"]


@pytest.mark.parametrize("bit", range(8))
def test_a_mark_without_a_block_is_passed_over(bit):
    mark = (MARK << 8 - bit).to_bytes(7, "big")
    assert bit_of_block(mark) == bit
    noise = random.Random(bit).randbytes(5_000)
    packed = bz2.compress(b"one block")
    junk = noise + mark + noise
    assert next_block(junk + packed, 0) == len(junk) + 4  # behind BZh9
    assert next_block(junk, 0) is None


def test_a_damaged_block_is_passed_over():
    packed = bytearray(bz2.compress(TEXT, 1))
    places = places_in(bytes(packed))
    packed[places[1] + 5_000] ^= 4
    assert places_in(bytes(packed)) == [places[0], *places[2:]]


def test_no_mark_in_what_is_no_bzip2():
    assert next_block(b"", 0) is None
    assert next_block(bytes(100), 0) is None
    assert bit_of_block(b"") is None
    assert bit_of_block(b"BZh91AY") is None


def test_few_blocks_are_read_behind_the_stop():
    """Whoever wants one more block does not unpack eight."""
    packed = bz2.compress(TEXT, 1)
    places = places_in(packed)
    assert len(places) > 4
    read = 0
    stream = io.BytesIO(packed)

    def noted(size: int) -> bytes:
        nonlocal read
        read += size
        return stream.read(min(size, 4096))

    blocks = blocks_from(noted, places[2])
    taken = iter(blocks)
    begins = []
    for _ in range(4):
        next(taken)
        begins.append(blocks.place)
    assert begins == places[:4]
    assert blocks.packed <= places[4] + 1, "the fourth was read alone"


def test_the_checksum_of_a_stream_counts_where_all_of_it_is_read():
    packed = bytearray(bz2.compress(TEXT[:5_000]) + bz2.compress(TEXT[:6_000]))
    place = next_block(bytes(packed), 0)
    packed[-2] ^= 1
    with pytest.raises(OSError, match="checksum"):
        unpacked_from(bytes(packed), 0)
    with pytest.raises(OSError, match="checksum"):
        unpacked_from(bytes(packed), place)  # the second stream is read from its beginning
    last = next_block(bytes(packed), len(bz2.compress(TEXT[:5_000])))
    assert unpacked_from(bytes(packed), last) == [TEXT[:6_000]]
