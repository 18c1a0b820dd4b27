from __future__ import annotations

import bz2
import gzip
import hashlib
import subprocess
import sys
from dataclasses import replace
from html import escape

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.forms.mediawiki import FORM, is_mediawiki, spans_of
from bertkit.errors import DataError
from corpus.forms import reading

# pages, redirects, documents, counted with grep in the unpacked files.
SLICES = {
    "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2": (206, 100, 106),
    "enwiki-table-markup.xml.bz2": (5, 0, 5),
}
HEAD = (
    '<mediawiki xml:lang="en"><siteinfo><namespaces>'
    '<namespace key="6" case="first-letter">Slika</namespace>'
    "</namespaces></siteinfo>\n"
)


def page(text: str, number: int = 1, extra: str = "", ns: int = 0) -> str:
    return (
        f"  <page>\n<title>T{number}</title><ns>{ns}</ns><id>{number}</id>{extra}<revision><id>9"
        f"</id><text>{escape(text, quote=False)}</text></revision></page>\n"
    )


def write(tmp_path, text: str, name: str = "dump.xml", coding: str = "utf-8"):
    path = tmp_path / name
    blob = text.encode(coding)
    path.write_bytes(bz2.compress(blob) if name.endswith(".bz2") else blob)
    return str(path)


def read(path: str, limit: int = 64_000_000, **more):
    return reading.read(FORM, path, limit, **more)


@pytest.mark.parametrize("name", SLICES)
def test_counts_of_the_real_slices(shared, tmp_path, name):
    source = str(shared / "data/wikidump" / name)
    pages, redirects, documents = SLICES[name]
    config = ExtractConfig(splitter="lines")
    result = extract([source], str(tmp_path / "out"), config, workers=1)
    assert result.skipped.get("redirect", 0) == redirects
    assert result.documents == documents
    assert result.rejected == result.empty == 0
    assert result.documents + sum(result.skipped.values()) == pages
    text = (tmp_path / "out/part-00000-of-00001.txt").read_text()
    for rest in ("{{Infobox", "<ref", "[[", "'''", "[[File:", "|-", "</"):
        assert rest not in text


def test_utf16_slice(shared):
    source = shared / "data/wikidump/bgwiki-latest-pages-articles-shortened.xml.bz2"
    text = bz2.decompress(source.read_bytes()).decode("utf-16")
    found = read(str(source))
    assert len(found) == text.count("<page>")
    assert sum(item == Skipped("redirect") for item in found) == text.count("<redirect")
    documents = [item for item in found if isinstance(item, RawDocument)]
    assert documents
    assert not [item for item in found if isinstance(item, Rejected)]
    # Bulgarian all through, and none of its files or categories left.
    cyrillic = sum("а" <= c <= "я" for item in documents for c in item.text.lower())
    assert cyrillic > 0.6 * sum(len(item.text) for item in documents)
    assert not any("Категория:" in item.text or "Файл:" in item.text for item in documents)


def test_numbers_variants_and_redirects_of_reported_pages(shared):
    """The dump says that its language is English, whatever its pages are written in."""
    found = read(str(shared / "data/reports/11-wiki/d.xml"))
    texts = {item.title: item.text for item in found if isinstance(item, RawDocument)}
    assert texts["fr unit"] == (
        "La montagne s'élève à 2000 m d'altitude. Il est né le 3 mai 1920 à Paris. Il y a 1200 "
        "habitants dans le XIXe siècle. Voir XIXe siècle et 10 km."
    )
    assert texts["de unit"] == (
        "Der Ort hat Einwohner. Die Höhe beträgt 512 m ü. NN. Es dauerte 5 Tage und 3000 Mark."
    )
    assert texts["sv num"].endswith("är 18\xa0°C, och den kallaste är -10\xa0°C. 1234567 folk.")
    assert texts["zh conv"] == "软件是重要的。这里有博客内容。台湾。"
    for words in (
        "At 1300 mi", "Area 468 km2", "About 3.5 kg", "c. 1850 or c. 1850 – c. 1860", "30 people",
        "It has 75%", "Height 6 ft 2 in", "Born May 3, 1920", "₹5 crore", "US$5 million",
        "5th place, 3rd", "1234. ×10^6. 1/2 done", "H2O is water, CO2 gas, H2O too", "3 km far",
        "Bonjour Salut Hallo Some Person",
    ):  # fmt: skip
        assert words in texts["en conv"]
    assert found.count(Skipped("redirect")) == 3


def test_several_tags_on_a_line_and_none(tmp_path):
    """A reader that goes by lines finds no page here, or too many."""
    flat = (HEAD + page("One.", 1) + page("Two.", 2)).replace("\n", "") + "</mediawiki>"
    assert [item.text for item in read(write(tmp_path, flat))] == ["One.", "Two."]


def test_kinds_of_pages(tmp_path):
    text = HEAD + "".join(
        [
            page("Text with [[Slika:a|b]].", 1),
            page("#REDIRECT [[T1]]", 2, '<redirect title="T1" />'),
            page("#перенаправление [[T1]]", 3),
            page("Talk.", 4, ns=1),
            page("{}", 5).replace("<text>", "<model>json</model><text>"),
            page("", 6),
            "<page><title>T7</title><ns>0</ns></page>",
        ]
    )
    found = read(write(tmp_path, text))
    assert found[0] == RawDocument("1 (T1)", "T1", "Text with.")
    assert found[1:5] == [
        Skipped("redirect"),
        Skipped("redirect"),
        Skipped("other namespace"),
        Skipped("not wikitext"),
    ]
    assert found[5].text == ""
    assert isinstance(found[6], Rejected)
    assert read(write(tmp_path, text), namespaces=(1,))[3].text == "Talk."


def test_bad_pages_are_counted_and_named_and_strict_stops(tmp_path):
    parts = [
        page("Good.", 1),
        page("Bad \udcff.", 2),
        page("Bad & bad.", 3).replace("&amp;", "&"),
        "<page><title>never closed",
        page("x" * 3000, 5),
        page("Good too.", 6),
    ]
    path = tmp_path / "dump.xml"
    path.write_bytes((HEAD + "".join(parts)).encode("utf-8", "surrogateescape"))
    found = read(str(path), 2000)
    assert [type(item).__name__ for item in found] == [
        "RawDocument",
        "Rejected",
        "Rejected",
        "Rejected",
        "Rejected",
        "RawDocument",
    ]
    config = ExtractConfig(splitter="lines")
    result = extract([str(path)], str(tmp_path / "out"), config, workers=1)
    assert (result.documents, result.rejected) == (3, 3)
    with pytest.raises(DataError, match="page 2"):
        extract([str(path)], str(tmp_path / "strict"), replace(config, strict=True), workers=1)


def test_entities_cannot_be_declared(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>'
    text = bomb + HEAD + page("x").replace("x</text>", "&lol2;</text>") + page("Fine.", 2)
    found = read(write(tmp_path, text))
    assert isinstance(found[0], Rejected)
    assert found[1].text == "Fine."


def streams(tmp_path, count: int = 12):
    """A multi-stream dump as Wikimedia makes them: head, pages by the hundred, tail."""
    blobs = [HEAD.encode()]
    for stream in range(count):
        pages = [
            page(f"Page {stream}-{i} says [[a|{hashlib.sha1(bytes([stream, i])).hexdigest()}]].", i)
            for i in range(100)
        ]
        blobs.append("".join(pages).encode())
    blobs.append(b"</mediawiki>\n")
    path = tmp_path / "multistream.xml.bz2"
    path.write_bytes(b"".join(map(bz2.compress, blobs)))
    plain = tmp_path / "plain.xml"
    plain.write_bytes(b"".join(blobs))
    return str(path), str(plain)


@pytest.mark.parametrize("size", [1, 5_000, 20_000, 10**9])
def test_spans_hold_every_page_once(tmp_path, size):
    for path in streams(tmp_path):
        spans = spans_of(path, max(size, 3_000) if path.endswith(".xml") else size)
        whole = [item.text for item in read(path)]
        assert len(whole) == 1200
        assert [item.text for span in spans for item in read(path, span=span)] == whole


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_workers_share_one_dump(tmp_path, workers):
    path, plain = streams(tmp_path)
    lines = ExtractConfig(splitter="lines")
    texts = []
    for source in (path, plain):
        out = tmp_path / f"out{workers}{len(texts)}"
        result = extract([source], str(out), lines, workers=workers, part_bytes=20_000)
        assert result.parts > 1
        assert result.documents == 1200
        parts = sorted(out.glob("part-*"))
        texts.append(b"\n".join(part.read_bytes() for part in parts))
    assert texts[0] == texts[1]
    assert hashlib.sha256(texts[0]).hexdigest() == (
        "3611f1673cffd83b0849ba84676a0b0c4631d62aaada68ed535f3ef82d0dfd08"
    )


def test_utf16_is_never_cut(tmp_path):
    text = "\ufeff" + HEAD + "".join(page(f"Page {i}.", i) for i in range(200))
    for name in ("a.xml", "a.xml.bz2"):
        path = write(tmp_path, text, name, "utf-16-le")
        assert len(spans_of(path, 1000)) == 1
        assert len(read(path)) == 200
        assert detect_form(path).name == "mediawiki"


@pytest.mark.parametrize("inner", [bz2.compress, gzip.compress])
def test_packed_twice(tmp_path, inner):
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(bz2.compress(inner((HEAD + page("One.")).encode())))
    assert [item.text for item in read(str(path))] == ["One."]
    assert len(spans_of(str(path), 1)) == 1


def test_cut_off_bz2_is_one_clear_error(tmp_path):
    streams(tmp_path)
    blob = (tmp_path / "multistream.xml.bz2").read_bytes()
    (tmp_path / "cut.xml.bz2").write_bytes(blob[:-3000])
    with pytest.raises(DataError, match="truncated"):
        read(str(tmp_path / "cut.xml.bz2"))
    spans = spans_of(str(tmp_path / "cut.xml.bz2"), 10_000)
    with pytest.raises(DataError, match="truncated"):
        [read(str(tmp_path / "cut.xml.bz2"), span=span) for span in spans]
    (tmp_path / "bad.xml.bz2").write_bytes(blob[:4000] + b"\0" * 64 + blob[4064:])
    with pytest.raises(DataError, match="damaged"):
        read(str(tmp_path / "bad.xml.bz2"))


MEASURE = """
import resource, sys
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.mediawiki import FORM, dump
options = ReadOptions(max_bytes=4_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = [type(item).__name__ for item in FORM.documents(sys.argv[1], options)]
assert found.pop(0) == "Noticed"
print(",".join(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count it in other units")
@pytest.mark.parametrize("kind", ["bomb", "line"])
def test_memory_is_bounded(tmp_path, kind):
    path = tmp_path / "dump.xml.bz2"
    if kind == "bomb":  # 200 MB of one page in a few kB
        blob = bz2.compress((HEAD + "<page><text>").encode()) + bz2.compress(bytes(10**7)) * 20
        path.write_bytes(blob + bz2.compress(page("Fine.").encode()))
        wanted = "Rejected,RawDocument"
    else:  # 50 MB without a line end
        flat = "".join(page("x " * 10_000, i) for i in range(25)).replace("\n", "")
        packed = bz2.compress(flat.encode(), 1)
        path.write_bytes(bz2.compress(HEAD.encode()) + packed * 100)
        wanted = ",".join(["RawDocument"] * 2_500)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    found, kilobytes = done.stdout.split()
    assert found == wanted
    assert int(kilobytes) < 60_000


def test_recognised_by_its_head(tmp_path):
    assert is_mediawiki(b'\xef\xbb\xbf<?xml version="1.0"?>\n<mediawiki xmlns="x">')
    assert is_mediawiki("\ufeff<mediawiki>".encode("utf-16-be"))
    assert not is_mediawiki(b"<html>")
    assert not is_mediawiki(b"")
