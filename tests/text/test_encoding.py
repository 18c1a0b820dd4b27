"""What people are told of files that are not UTF-8: never a conversion that makes junk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess

import pytest

from bertkit.errors import DataError
from bertkit.kinds.marks import marked
from bertkit.kinds.recognise import HEAD
from bertkit.records.files.tfrecord.frames import frame
from bertkit.text.encoding import decode_utf8, not_utf8
from bertkit.text.files import open_text
from bertkit.tokenization.sentence_files import read_lines

TEXT = "Grüße aus dem Süden.\nNoch ein Satz über Bäume.\n"


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (gzip.compress(TEXT.encode(), mtime=0), "compressed with gzip", "gzip -dc"),
        (bz2.compress(TEXT.encode() * 9), "compressed with bzip2", "bzip2 -dc"),
        (lzma.compress(TEXT.encode()), "compressed with xz", "xz -dc"),
        (TEXT.encode("utf-16"), "UTF-16", "iconv -f UTF-16 "),
        (TEXT.encode("utf-32"), "UTF-32", "iconv -f UTF-32 "),
        (TEXT.encode("utf-16-le"), "UTF-16 without a mark", "iconv -f UTF-16LE"),
        (TEXT.encode("utf-32-be"), "UTF-32 without a mark", "UTF-32BE"),
        (b"Emoji \xed\xa0\xbd\xed\xb8\x80.\n", "half a character", "other text"),
        (bytes(range(1, 32)) * 9 + b"\xff", "looks like no text", "give text files"),
        (b"PAR1\x15\xe4", "parquet", "bertkit extract"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40) + b"\xff", "a PNG image", "give text files"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document", "pdftotext"),
        (b"\x7fELF\2\1\1" + bytes(500) + b"\xff\xfe", "a program", "give text files"),
        (b"SQLite format 3\0\x10\0\2\2\0@ \xff", "an SQLite database", "CSV"),
        (bytes(600) + b"\xff" + bytes(99), "looks like no text", "give text files"),
        (b"\1\0\0\0\xc8\0\0\0" * 80, "looks like no text", "give text files"),
    ],
)
def test_what_the_file_is_and_not_iconv_from_latin_1(tmp_path, content, says, hint):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    readers = [lambda: decode_utf8(content, path), lambda: list(read_lines(path))]
    if "compressed" in says and "zstd" not in says:  # which it unpacks
        assert next(iter(readers.pop()())) == TEXT.splitlines()[0]
    for read in readers:
        with pytest.raises(DataError) as caught:
            read()
        assert f"{path}:" in caught.value.message and "not UTF-8 at byte" in caught.value.message
        assert says in caught.value.message and hint in caught.value.hint
        assert "LATIN1" not in caught.value.hint


def test_the_hint_for_latin_1_gives_the_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"First.\n" + TEXT.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        list(read_lines(path))
    assert caught.value.message == f"{path}:2: not UTF-8 at byte 9 (0xfc)"
    command = caught.value.hint.partition(": ")[2].replace("FILE > NEW", str(path))
    done = subprocess.run(command.split(), capture_output=True, check=True)
    assert done.stdout.decode() == "First.\n" + TEXT


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"GGUF" + bytes(70) + b"\xff", "looks like a GGUF model"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "a.txt is an HDF5 file, not text"),
        (b"A line.\n" * 9000 + b"\xff\n", "not UTF-8 at byte 72000"),
        (b'{"hidden_size": 4}\n' * 4000 + b"\xff\n", "the configuration of a model, not text"),
    ],
)
@pytest.mark.parametrize("part", [False, True])
def test_what_a_file_is_is_asked_once(tmp_path, monkeypatch, content, says, part):
    """Also where only the part around the wrong byte is at hand; and of a file by its beginning."""
    asked, opened = [], []

    def counted(head):
        asked.append(head[:80])
        return marked(head)

    def counted_opening(*words):
        opened.append(words)
        return open_text(*words)

    for module in ("kinds.recognise", "text.encoding"):
        monkeypatch.setattr(f"bertkit.{module}.open_text", counted_opening)
    monkeypatch.setattr("bertkit.kinds.recognise.marked", counted)
    (tmp_path / "a.txt").write_bytes(content)
    at = len(content) - 2
    blob, begin = (content[at:], at) if part else (content, 0)
    error = not_utf8(tmp_path / "a.txt", 1, at, blob, begin)
    assert says in error.message and asked == [content[:80]]
    assert len(opened) == (part or len(content) < HEAD)


def test_a_short_piece_does_not_tell_what_a_file_is(tmp_path):
    """The first line of a TFRecord ends anywhere: the file tells."""
    record = frame(b"\xff" * 300)
    (tmp_path / "a").write_bytes(record)
    error = not_utf8(tmp_path / "a", 1, 8, record[:9])
    assert error.message == f"{tmp_path / 'a'} is a TFRecord file, not text"
    assert "bertkit inspect" in error.hint
