"""Compressed text is unpacked by its content and otherwise left as it is."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from bertkit.errors import DataError
from bertkit.text.files import open_text

TEXT = b"\xef\xbb\xbfA line.\r\n\xff\n"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_bytes_are_those_of_the_text(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(TEXT))
    with open_text(path) as stream:
        assert stream.read() == TEXT


def test_cut_off(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT * 100)[:-20])
    with pytest.raises(DataError, match="truncated or damaged"), open_text(path) as stream:
        stream.read()
