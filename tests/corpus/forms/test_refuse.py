"""What is no text is refused by name, unless --form text insists."""

from __future__ import annotations

import gzip
import io
import pickle
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.refuse import is_tar_header
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError

np = pytest.importorskip("numpy")


def taken(blob: bytes, name: str = "a", encoding: str = "utf-8") -> str:
    return detect(RawFile.of_stream(io.BytesIO(blob), name, encoding)).form.name


def refusal(blob: bytes, name: str = "a") -> NotTextError:
    with pytest.raises(NotTextError) as caught:
        taken(blob, name)
    return caught.value


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "x")
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, a=np.zeros(3))
    return out.getvalue()


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


def png() -> bytes:
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(1, 1))
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def torch_checkpoint() -> bytes:
    torch = pytest.importorskip("torch")
    out = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, out)
    return out.getvalue()


def safetensors() -> bytes:
    save = pytest.importorskip("safetensors.numpy").save
    return save({"weight": np.zeros(2)})


def sqlite(tmp_path) -> bytes:
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.execute("create table t (text)")
    base.close()
    return (tmp_path / "a.db").read_bytes()


WRITTEN = {
    "a PNG image": png,
    "a NumPy array": npy,
    "arrays of NumPy": npz,
    "a PyTorch checkpoint": torch_checkpoint,
    "a safetensors file": safetensors,
    "a Python pickle": lambda: pickle.dumps({"text": "x" * 30}),
    "an Office document": lambda: zipped("[Content_Types].xml", "word/document.xml"),
    "an EPUB book": lambda: zipped("mimetype", "a.xhtml"),
    "a program": lambda: Path(sys.executable).read_bytes()[:5000],
    "a PDF document": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
}


@pytest.mark.parametrize("what", WRITTEN)
def test_files_of_other_programs_are_refused_by_name(what):
    blob = WRITTEN[what]()
    for packed in (blob, gzip.compress(blob)):
        error = refusal(packed, "a.txt")
        assert f"looks like {what}" in error.message
        assert "--form text" in error.hint
        assert error.exit_code == 3


def test_a_data_base_and_records_are_refused(tmp_path, shared):
    assert "SQLite" in refusal(sqlite(tmp_path)).message
    records = shared / "data/reports/08-records"
    assert "TFRecord" in refusal((records / "plain.tfrecord").read_bytes()).message
    assert "HDF5" in refusal((records / "bigpos.hdf5").read_bytes()).message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!DOCTYPE html>\n<html><body>Hi</body></html>", "HTML"),
        ("\n <HTML lang='en'>\n<p>Hi", "HTML"),
        ("<!-- saved -->\n<div class='a'><p>Hi</p></div>", "HTML"),
        ('<?xml version="1.0"?>\n<TEI xmlns="x"><text>Hi</text></TEI>', "root element <TEI>"),
        ("<DOC>\n<DOCNO>1</DOCNO>\n<TEXT>Hi</TEXT>\n</DOC>\n", "root element <DOC>"),
        ('<tmx version="1.4"><body><tu/><tuv/><seg/></body>', "root element <tmx>"),
        ('["a", "b"]\n["c", "d"]\n', "lines of JSON arrays"),
        ("{\\rtf1\\ansi Hello}", "RTF"),
        ("Hi <br>\n<p>One.</p>\n<p>Two <a href='x'>l</a>.</p>\n<div>x</div>\n", "HTML"),
        ('<t:TEI xmlns:t="x"><t:p>Hi</t:p></t:TEI>', "root element <TEI>"),
        ("{'text': 'Hi there.', 'id': 3}\n{'text': 'Bye.', 'id': 4}\n", "as Python prints them"),
        ("[{'text': 'Hi there.'}]\n", "as Python prints them"),
        ("Good film.\t1\nBad, long one.\t0\nSo so.\t1\n", "a table without a header"),
        ('1,"Hi, you."\n2,"And, so on."\n3,x\n', "a table without a header"),
        ("-- MySQL dump 10.19  Distrib 10.3\n--\nDROP TABLE `page`;\n", "an SQL dump"),
        ("600:10:AccessibleComputing\n600:12:Anarchism\n", "the index of a MediaWiki dump"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nHi", "an HTTP response"),
        ("1\n00:00:01,000 --> 00:00:04,000\nHello.\n", "subtitles"),
        ("WEBVTT\n\n00:01.000 --> 00:04.000\nHello.\n", "subtitles"),
    ],
)
def test_markup_is_refused_by_its_root(text, what):
    for encoding in ("utf-8", "utf-16"):
        assert what in refusal(text.encode(encoding), "a.txt").message


@pytest.mark.parametrize(
    "text",
    [
        "<s> Hello there. </s>\n",
        "# A page\n\n<img src='x'>\n\nSome words.<br>\nThe end.\n" + "More words. " * 100,
        "\tThe first\n\tof three\n\tlines of verse\n",
        '"Stop," he said.\n"No," she said.\n"Why," he asked, "not?"\n',
        "{'curly} it begins\n",
        "<3 is a heart.\n",
        "[Illustration: a cat]\nCats sleep.\n",
        "[1] Smith says so.\n[2] So does Jones.\n",
        '["Stop," he said] and went.\n',
        "{curly} braces are rare.\n",
        "Hello, world\nThis is prose, and it goes on, and on.\n",
        "Paris, London, Rome\nare cities, big, old\nand fine, we think, too\nyes, no, maybe\n",
        "BM is a name. MZ too. PK as well. ORC? II*\n",
        "A zero\0byte in a long line of text that is otherwise fine, as it may happen at times.\n",
        "\x1b[1mbold\x1b[0m and a form feed\x0c\n",
        "ÿþ is no mark in UTF-8.\n",
        "",
    ],
)
def test_prose_is_text(text):
    assert taken(text.encode(), "a.txt") == "text"


@pytest.mark.parametrize("sample", ["Hello there. Second one.\n", "Привет, мир. Это текст.\n" * 3])
@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_without_a_mark_are_named_with_what_to_do(sample, coding):
    error = refusal(sample.encode(coding), "a.txt")
    assert f"looks like {coding.upper()} without a byte order mark" in error.message
    assert f"--encoding {coding}" in error.hint
    command = error.hint.partition("convert it: ")[2].partition(" FILE")[0]
    done = subprocess.run(
        command.split(), input=sample.encode(coding), capture_output=True, check=True
    )
    assert done.stdout.decode() == sample
    assert taken(sample.encode(coding), "a.txt", coding) == "text"


def test_markup_that_only_its_name_tells():
    assert "HTML" in refusal(b"Hello <p>there. No other tag.", "a.html").message
    assert "<root>" in refusal(b'<root a="1"/>', "a.xml.gz").message
    assert taken(b"Hello there. No tag, 1 < 2.", "a.html") == "text"


def test_binary_data_and_what_is_only_named_like_a_compressed_file():
    blob = bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))
    assert "binary data" in refusal(blob).message
    assert "not packed so" in refusal(blob, "a.txt.gz").hint
    assert "zero bytes" in refusal(b"text" + bytes(500)).message


def test_every_kind_of_tar_has_a_header_with_its_checksum():
    info = tarfile.TarInfo("a.txt")
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        block = info.tobuf(kind)
        assert is_tar_header(block)
        assert not is_tar_header(b"b" + block[1:])
    assert not is_tar_header(bytes(512))
    assert not is_tar_header(b"text " * 200)


def test_text_below_many_comments_is_taken():
    """Comments that could reach beyond their end would be read in two ways each, for ever."""
    text = b"<!-- a note -->\n" * 300
    words = RawFile.of_stream(io.BytesIO(text + b"Cats sleep."), "a.md", "utf-8")
    assert detect(words).form.name in ("text", "documents")
    with pytest.raises(NotTextError, match="HTML"):
        detect(RawFile.of_stream(io.BytesIO(text + b"<p>Cats sleep."), "a.md", "utf-8"))
