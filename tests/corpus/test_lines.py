from __future__ import annotations

import bz2
import gzip
import lzma
import sys

import pytest

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.forms.form import Span
from bertkit.corpus.lines import DocumentBytes, Line, first_line, lines
from bertkit.corpus.raw_file import head_of, open_source
from bertkit.errors import DataError

TEXT = "one\nzwei äöü\n\nlast without end".encode()


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.txt", bytes), ("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)],
)
def test_lines_and_offsets_of_plain_and_packed_files(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(TEXT))
    found = list(lines(str(path)))
    assert b"".join(line.blob for line in found) == TEXT
    assert [line.number for line in found] == [1, 2, 3, 4]
    assert all(TEXT[line.offset :].startswith(line.blob) for line in found)


def test_multi_stream_bz2_is_read_to_the_end(tmp_path):
    path = tmp_path / "a.bz2"
    path.write_bytes(bz2.compress(b"one\n") + bz2.compress(b"two\n"))
    assert [line.blob for line in lines(str(path))] == [b"one\n", b"two\n"]


@pytest.mark.parametrize(
    ("name", "pack"), [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]
)
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_compression_is_one_clear_error(tmp_path, name, pack, damage):
    blob = pack(TEXT * 1000)
    path = tmp_path / name
    middle = len(blob) // 2
    path.write_bytes(
        {
            "cut": blob[:middle],
            "changed": blob[:middle] + bytes(20) + blob[middle + 20 :],
        }[damage]
    )
    with pytest.raises(DataError, match=name) as caught:
        list(lines(str(path)))
    assert "compressed data" in caught.value.message


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a.xz", "a.lzma", "a.zst", "a.br", "a.Z"])
def test_text_that_is_only_named_like_a_compressed_file_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"one\n")
    assert [line.blob for line in lines(str(path))] == [b"one\n"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_mark_tells_the_encoding_and_is_skipped(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("é\nzwei\n".encode(encoding))
    assert [line.blob for line in lines(str(path))] == ["é\n".encode(), b"zwei\n"]


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        list(lines(str(tmp_path / "none")))
    with pytest.raises(DataError), open_source(str(tmp_path)):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count it in other units")
def test_long_line_comes_in_pieces_in_little_memory(tmp_path):
    import resource

    path = tmp_path / "zeros.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(300):
            stream.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pieces = 0
    for line in lines(str(path)):
        assert len(line.blob) <= PIECE
        assert line.begins == (pieces == 0)
        pieces += 1
    assert pieces == 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_first_line_skips_blank_ones(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\n  \nfound\nmore\n")
    assert first_line(str(path)) == b"found\n"
    path.write_bytes(b"\n")
    assert first_line(str(path)) == b""


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz"])
def test_head_is_what_the_file_begins_with_and_follows_its_changes(tmp_path, ending):
    path = tmp_path / f"a.txt{ending}"
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[ending]
    path.write_bytes(pack(b"0123456789" * 1000))
    assert head_of(str(path), 15) == b"012345678901234"
    assert head_of(str(path), 20_000) == b"0123456789" * 1000
    assert len(head_of(str(path), 9_000, b"345")) < 9_000
    path.write_bytes(pack(b"other"))
    assert head_of(str(path), 15) == b"other"
    with pytest.raises(DataError, match="cannot read"):
        head_of(str(tmp_path / "none"), 15)


def test_head_unpacks_no_stream_that_it_does_not_need(tmp_path):
    path = tmp_path / "a.bz2"
    path.write_bytes(bz2.compress(b"x" * 2000) + b"damage")
    assert head_of(str(path), 1024) == b"x" * 1024


def test_bytes_of_a_document_are_kept_up_to_a_size():
    held = DocumentBytes(10)
    held.add(Line(3, 20, b"four\n", True))
    held.add(Line(4, 25, b"five\n", True))
    assert (held.blob, held.too_large) == (b"four\nfive\n", False)
    held.add(Line(5, 30, b"x", True))
    held.add(Line(6, 31, b"y", True))
    assert (held.blob, held.too_large, held.size) == (b"", True, 12)
    assert (held.number, held.offset) == (3, 20)


def test_lines_of_a_span_have_the_numbers_of_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo\nthree\nfour")
    whole = list(lines(str(path)))
    first, second = Span(0, 11), Span(11, 21, line=3)
    assert [*lines(str(path), first), *lines(str(path), second)] == whole
    assert [line.number for line in whole] == [1, 2, 3, 4]
