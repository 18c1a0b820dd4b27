"""The kernel that decodes UTF-8 beside Python's own decoder."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from bertkit.kernels.utf8 import decode_character


def decode(blob: bytes) -> tuple[int, int]:
    data = np.frombuffer(blob + bytes(8), np.uint8)
    code, size = decode_character(data, np.uint64(0))
    return int(code), int(size)


@given(st.characters(codec="utf-8"))
def test_every_character_is_decoded(character):
    blob = character.encode("utf-8")
    assert decode(blob) == (ord(character), len(blob))


@given(st.binary(min_size=1, max_size=4))
@example(b"\xc0\x80")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xe0\x80\xaf")
def test_what_python_refuses_is_refused(blob):
    try:
        wanted = blob.decode("utf-8")[0]
    except UnicodeDecodeError as error:
        # A valid first character may stand before the damage.
        wanted = blob[: error.start].decode("utf-8")[:1]
    code, size = decode(blob)
    if wanted:
        assert (chr(code), size) == (wanted, len(wanted.encode("utf-8")))
    else:
        assert size == 0
