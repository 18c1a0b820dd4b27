from __future__ import annotations

import gzip
import io
import lzma

import pytest

from bertkit.corpus.raw_file import RawFile, as_utf8, encoding_of, head_of, open_source
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


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_bytes_in_memory_are_read_as_the_same_bytes_of_a_stream(coding):
    given = coding if coding == "gb18030" else "utf-8"
    for blob in (TEXT.encode(coding), TEXT.encode(coding)[:-1], b""):
        memory = RawFile.of_bytes(blob, "a", given)
        stream = RawFile.of_stream(io.BytesIO(blob), "a", given)
        assert memory.head(9) == stream.head(9) == blob[:9]
        with memory.open_seekable() as seekable:
            assert seekable.seek(0, 2) == len(blob)
        with open_source(memory) as one, open_source(stream) as other:
            text = other.read()
            assert one.read() == text == as_utf8(blob, given, whole=True)


def test_a_small_file_is_read_once_and_a_packed_or_large_one_as_a_stream(tmp_path, monkeypatch):
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes("Zwölf\n".encode("utf-16"))
    packed.write_bytes(gzip.compress(b"Zehn\n"))
    files = [RawFile.of(str(path)).loaded() for path in (plain, packed)]
    assert files[1].blob is None
    assert (files[0].compression(), files[1].compression()) == ("", "gzip")
    plain.unlink()
    for file, text in zip(files, ("Zwölf\n", "Zehn\n"), strict=True):
        with open_source(file) as stream:
            assert stream.read().decode() == text
    monkeypatch.setattr("bertkit.corpus.raw_file.SMALL", 3)
    assert RawFile.of(str(packed)).loaded().blob is None
    with pytest.raises(DataError, match=r"cannot read .*plain"):
        RawFile.of(str(plain)).loaded()


def test_a_pointer_of_git_lfs_is_refused_when_it_is_read_at_once(tmp_path):
    place = tmp_path / "a.txt"
    place.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    with pytest.raises(DataError, match="Git LFS pointer"):
        RawFile.of(str(place)).loaded()


def test_some_bytes_of_a_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 9000)
    file = RawFile.of(str(path))
    for start, stop in ((0, 10), (5, 2_000_000), (2_303_000, 2_304_000), (7, 7)):
        with file.open_between(start, stop) as stream:
            assert stream.read() == path.read_bytes()[start:stop]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Ein Café.\n", "cp1252"),
        ("Ein Café.\n", "latin-1"),
        ("Çok güzel bir ığdır şehri.\n", "iso-8859-9"),
        ("Съешь ещё этих булок\n", "cp1251"),
        ("这是一个句子。\n" * 3, "gb18030"),
        ("これは文章です。\n" * 3, "shift_jis"),
    ],
)
def test_utf8_is_not_read_as_another_encoding(tmp_path, text, named):
    """One --encoding for a folder that holds both; each file is what it was written as."""
    for coding in ("utf-8", named):
        blob = text.encode(coding)
        (tmp_path / "a").write_bytes(blob)
        for file in (
            RawFile("a", path=str(tmp_path / "a"), encoding=named),
            RawFile.of_stream(io.BytesIO(blob), "a", named),
            RawFile.of_bytes(blob, "a", named),
        ):
            assert as_utf8(file.head(100), encoding_of(file)).decode() == text
            with open_source(file) as stream:
                assert stream.read().decode() == text


def test_few_bytes_that_are_utf8_by_chance_are_what_they_are_said_to_be():
    blob = b"\xc4\xa3\xd0\xb0"  # two characters in either
    assert len(blob.decode("gb18030")) == len(blob.decode()) == 2
    assert encoding_of(RawFile.of_bytes(blob, "a", "gb18030")) == "gb18030"
    wide = "Plain.".encode("utf-16-le") + "ÿ".encode()
    assert encoding_of(RawFile.of_bytes(wide, "a", "utf-16-le")) == "utf-16-le"
