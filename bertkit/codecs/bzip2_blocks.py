"""Unpacks bzip2 by compiled kernels, faster than libbz2: the walks through eight blocks overlap.

libbz2 waits for memory at every byte.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bertkit.kernels import bzip2, bzip2_walk

# Blocks whose walks are done in turns; each takes 4.5 MB.
BLOCKS = 8
# So many packed bytes are read at a time; a usual block is whole within them.
PIECE = 1 << 20
_PADDING = 256
_UNIT = 100_000  # bytes of a block, times the level


class _Block(NamedTuple):
    """A block that was read: where it begins in what is packed, its bytes, where its walk
    starts, and their stored checksum.
    """

    place: int
    size: int
    start: int
    checksum: int


class Bzip2Blocks:
    """The unpacked blocks of one or more streams of bzip2, one behind the other.

    Attributes:
        packed: bytes that the blocks read so far were unpacked from.
        place: the packed byte in which the block given last begins.
    """

    def __init__(
        self, read: Callable[[int], bytes], bit: int | None = None, stop: int = sys.maxsize
    ) -> None:
        """Of a file that `read` gives up to so many bytes of, and none at its end.

        With a `bit`, a block in the middle of a stream begins at it; otherwise a stream begins.
        Blocks that begin at or behind the packed byte `stop` are read one at a time.
        """
        self.packed = self.place = 0
        self._stop = stop
        self._read = read
        self._held = np.zeros(_PADDING, np.uint8)
        self._end = self._bit = self._before = 0
        self._all_read = False
        self._limit = 0  # of the stream's blocks; 0 between streams
        self._combined = 0
        # The checksum of a stream is that of all its blocks; where some of them are not read,
        # it cannot be compared, and the checksums of the blocks tell damage.
        self._begun = bit is not None
        if bit is not None:
            self._bit, self._limit = bit, 9 * _UNIT
        self._work = bzip2.new_work()
        self._tables = np.empty((BLOCKS, 9 * _UNIT), np.uint32)
        self._out = np.empty((BLOCKS, 9 * _UNIT), np.uint8)

    def __iter__(self) -> Iterator[bytes]:
        """The blocks, each after its checksum was compared.

        Raises:
            EOFError: the last stream does not end.
            OSError: damage; the blocks before it were given.
        """
        going = True
        while going:
            found: list[_Block] = []
            error: Exception | None = None
            try:
                while going and not self._enough(len(found)):
                    block = self._next(len(found))
                    going = block is not None
                    found += [block] if block else []
            except (OSError, EOFError) as failure:
                error = failure
            self.packed = self._before + self._bit // 8
            yield from self._walked(found)
            if error:
                raise error

    def _enough(self, blocks: int) -> bool:
        """Whether so many blocks were read that they are walked before the next is read."""
        behind = self._before + self._bit // 8 >= self._stop
        return blocks == BLOCKS or (behind and blocks > 0)

    def _next(self, row: int) -> _Block | None:
        """Read the next block into a row of the tables; None at the end."""
        found = np.zeros(4, np.int64)
        while True:
            if self._end * 8 - self._bit < 8 * PIECE:
                self._fill()
            if not self._limit:
                if not self._begin_stream():
                    return None
                continue
            state = bzip2.read_block(
                self._held,
                np.uint64(self._bit),
                np.uint64(8 * self._end),
                self._limit,
                self._tables[row],
                found,
                self._work,
            )
            if state == bzip2.MORE:
                if self._all_read:
                    raise EOFError("the last stream does not end")
                self._fill()
                continue
            if state == bzip2.RANDOMISED:
                raise OSError("randomised blocks, as bzip2 before 0.9.5 wrote them, are not read")
            if state == bzip2.DAMAGED:
                raise OSError("invalid data stream")
            place = self._before + self._bit // 8
            self._bit = int(found[bzip2.NEXT])
            checksum = int(found[bzip2.CHECKSUM])
            if state == bzip2.BLOCK:
                turned = self._combined << 1 | self._combined >> 31
                self._combined = (turned ^ checksum) & 0xFFFFFFFF
                size, start = int(found[bzip2.SIZE]), int(found[bzip2.START])
                return _Block(place, size, start, checksum)
            if checksum != self._combined and not self._begun:
                raise OSError("invalid data stream: a checksum differs")
            self._limit, self._begun = 0, False

    def _begin_stream(self) -> bool:
        """Read the head of a stream, at the end of the one before; False at the end of all."""
        place = self._bit // 8
        head = self._held[place : min(place + 4, self._end)].tobytes()
        if not head:
            return False
        if b"BZh"[: len(head)] != head[:3] or not (b"1" <= (head[3:] or b"1") <= b"9"):
            raise OSError("invalid data stream")
        if len(head) < 4:
            raise EOFError("the last stream does not end")
        self._bit += 32
        self._limit = _UNIT * int(head[3:])
        self._combined = 0
        return True

    def _fill(self) -> None:
        """Read on, and let go of what was unpacked."""
        parts, size = [], 0
        while not self._all_read and size < PIECE:
            part = self._read(PIECE)
            self._all_read = not part
            parts.append(part)
            size += len(part)
        if not size:
            return
        done = self._bit // 8
        left = self._end - done
        held = np.zeros(left + size + _PADDING, np.uint8)
        held[:left] = self._held[done : self._end]
        held[left : left + size] = np.frombuffer(b"".join(parts), np.uint8)
        self._held, self._end = held, left + size
        self._before, self._bit = self._before + done, self._bit % 8

    def _walked(self, found: list[_Block]) -> Iterator[bytes]:
        # The longest first, as the walk in turns wants them.
        order = sorted(range(len(found)), key=lambda row: -found[row].size)
        bzip2_walk.walk(
            self._tables,
            np.array(order, np.uint64),
            np.array([found[row].size for row in order], np.int64),
            np.array([found[row].start for row in order], np.uint64),
            self._out,
        )
        for row, (place, size, _, checksum) in enumerate(found):
            block = self._out[row, :size]
            total = bzip2_walk.size_of_runs(block)
            if total < 0:
                raise OSError("invalid data stream")
            whole = np.empty(total, np.uint8)
            bzip2_walk.unpack_runs(block, whole)
            if bzip2_walk.checksum(whole, bzip2_walk.TABLES) != checksum:
                raise OSError("invalid data stream: a checksum differs")
            self.place = place
            yield whole.tobytes()
