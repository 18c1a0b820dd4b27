from __future__ import annotations

import gzip
import io
import lzma

import pytest

from bertkit.corpus.raw_file import RawFile, as_utf8, head_of, open_source
from bertkit.errors import DataError

TEXT = "Zwölf Boxkämpfer.\nÄ 世界\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_stream_is_looked_at_and_then_read_as_the_file_is(tmp_path, pack):
    path = tmp_path / "a"
    path.write_bytes(pack(TEXT.encode()))
    member = RawFile.of_stream(io.BytesIO(path.read_bytes()), "outer!a")
    assert member.head(5) == head_of(str(path), 5) == TEXT.encode()[:5]
    assert member.head(8) == TEXT.encode()[:8]
    for file in (member, RawFile.of(str(path))):
        with open_source(file) as stream:
            assert stream.read() == TEXT.encode()
    assert str(member) == "outer!a"


@pytest.mark.parametrize(
    "coding", ["utf-16", "utf-32", "utf-8-sig", "latin-1", "cp1252", "gb18030"]
)
def test_text_comes_as_utf8_by_its_mark_or_by_the_given_encoding(coding):
    text = TEXT.replace("世界", "") if coding in ("latin-1", "cp1252") else TEXT
    given = coding if coding in ("latin-1", "cp1252", "gb18030") else "utf-8"
    file = RawFile.of_stream(io.BytesIO(text.encode(coding)), "a", given)
    assert as_utf8(file.head(100), given).decode() == text
    with open_source(file) as stream:
        assert stream.read().decode() == text


def test_what_cannot_be_decoded_is_no_utf8_and_stops_nothing():
    blob = "eins\n".encode("utf-16") + b"\x00\xd8" + "zwei\n".encode("utf-16-le") + b"x"
    with open_source(RawFile.of_stream(io.BytesIO(blob), "a")) as stream:
        lines = stream.readlines()
    assert lines[0] == b"eins\n"
    assert b"wei" in lines[1]
    for line in lines[1:]:
        with pytest.raises(UnicodeDecodeError):
            line.decode()


def test_seekable_bytes_of_packed_and_plain_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"0123456789")
    (tmp_path / "packed").write_bytes(gzip.compress(b"0123456789"))
    files = [RawFile.of(str(tmp_path / name)) for name in ("plain", "packed")]
    for file in (*files, RawFile.of_stream(io.BytesIO(b"0123456789"), "member")):
        with file.open_seekable() as stream:
            stream.seek(-3, 2)
            assert stream.read() == b"789"


def test_damage_names_the_member():
    file = RawFile.of_stream(io.BytesIO(gzip.compress(b"x" * 100_000)[:50]), "outer!a.gz")
    with pytest.raises(DataError, match=r"outer!a\.gz: the compressed data"):
        file.head(100_000)
