"""Decodes UTF-8 character by character, as Python does: neither overlong forms nor surrogates."""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from bertkit.kernels.jit import inlined


@inlined
def decode_character(data: Any, at: Any) -> Any:
    """(code point, bytes) of the UTF-8 character at `at`; 0 bytes if it is not valid."""
    first = int64(data[at])
    if first < 0x80:
        return first, uint64(1)
    size = 2 if first < 0xE0 else (3 if first < 0xF0 else 4)
    code = first & (0xFF >> (size + 1))
    for k in range(uint64(1), uint64(size)):
        byte = int64(data[at + k])
        if byte & 0xC0 != 0x80:
            return int64(0), uint64(0)
        code = (code << 6) | (byte & 0x3F)
    smallest = 0x80 if size == 2 else (0x800 if size == 3 else 0x10000)
    wrong = first < 0xC0 or first > 0xF7 or code < smallest or code > 0x10FFFF
    if wrong or 0xD800 <= code <= 0xDFFF:
        return int64(0), uint64(0)
    return code, uint64(size)
