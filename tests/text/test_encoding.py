"""What people are told of files that are not UTF-8: never a conversion that makes junk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess

import pytest

from bertkit.errors import DataError
from bertkit.text.encoding import decode_utf8
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
