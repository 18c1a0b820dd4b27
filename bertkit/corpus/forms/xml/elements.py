"""Cuts elements out of a large XML file by their tags, one in memory at a time.

A parser of the whole file stops for good at its first damaged byte; here each element is
parsed by itself, so that damage costs one element. Since `<` is always escaped in XML
text, a tag in the bytes is a tag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from bertkit import log

# White space behind the name in a tag; with more it is taken for no tag.
_SPACE = 64
# The root element ends so near the end of a file; in shorter pieces it is not looked for.
_TAIL = 4096
_SHORTEST = 200


def elements(
    blocks: Iterable[bytes],
    names: Sequence[str],
    max_bytes: int,
    stop: Callable[[], float] | None = None,
) -> Iterator[bytes | None]:
    """The elements of these names, from `<name ...>` to `</name>`; they do not nest.

    Args:
        blocks: the file in pieces of any size, in UTF-8 or another encoding that keeps ASCII.
        names: of elements; an empty one (`<name/>`) is passed over.
        max_bytes: of an element that is kept.
        stop: gives the offset before which elements are taken; asked again for each block, since
            that of packed text is known only once it is reached. No more is read than they need.

    Yields:
        The bytes of an element; None for one that is too large or has no end.
    """
    either = "|".join(map(re.escape, names))
    marker = re.compile(
        rf"</(?:{either})\s{{0,{_SPACE}}}>|<(?:{either})(?:>|\s{{1,{_SPACE}}}[^\s/<])".encode()
    )
    # What may be the beginning of a marker that the next block ends.
    longest = max(len(name) for name in names) + 4 + _SPACE
    held = bytearray()
    base = place = scan = 0
    inside = False
    for block in blocks:
        held += block
        end = stop() if stop else math.inf
        while found := marker.search(held, scan):
            start, scan = found.span()
            if held[start + 1 : start + 2] != b"/":
                if inside:
                    yield None
                if base + start >= end:
                    return
                place, inside = start, True
            elif inside:
                yield bytes(held[place:scan]) if scan - place <= max_bytes else None
                place, inside = scan, False
        scan = max(scan, len(held) - longest + 1)
        if inside and len(held) - place > max_bytes:
            yield None
            inside = False
        cut = place if inside else scan
        del held[:cut]
        base, place, scan = base + cut, 0, scan - cut
        if not inside and base + scan >= end:
            return
    if inside:
        yield None


def elements_within(
    place: str,
    root: str,
    blocks: Iterable[bytes],
    names: Sequence[str],
    max_bytes: int,
    stop: Callable[[], float] | None = None,
) -> Iterator[bytes | None]:
    """`elements` of a file, with a warning where its root element has no end.

    A file that is cut off between two elements would else pass for a whole one.

    Args:
        place: names the file.
        root: local name of the root element; empty, or one of `names`, where there is none.
        blocks, names, max_bytes, stop: as for `elements`.
    """
    ending = _Ending(blocks)
    found: bytes | None = b""
    for found in elements(ending, names, max_bytes, stop):
        yield found
    # A piece of a file may begin within the last tag.
    if ending.reached and root and root not in names and found is not None:
        closed = re.search(rb"</(?:[\w.-]+:)?" + re.escape(root.encode()) + rb"\s*>", ending.tail)
        if not closed and ending.size >= _SHORTEST:
            what = f"there is no </{root}> at its end, what should come before it is missing"
            log.warn_once(f"{place}: cut off: {what}")


class _Ending:
    """Blocks, of which the last bytes are kept.

    Attributes:
        tail: the last bytes so far, some thousand at least where there are so many.
        size: bytes so far.
        reached: there are no more blocks.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.tail = b""
        self.size = 0
        self.reached = False

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.tail = block[-_TAIL:] if len(block) >= _TAIL else (self.tail + block)[-_TAIL:]
            self.size += len(block)
            yield block
        self.reached = True
