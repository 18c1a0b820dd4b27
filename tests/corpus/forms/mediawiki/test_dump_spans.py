"""Spans of a dump in bzip2: what they hold together is what the whole file holds."""

from __future__ import annotations

import bz2
import hashlib
import io
import random
import shutil
import subprocess
from dataclasses import replace

import pytest

from bertkit.codecs.bzip2_blocks import Bzip2Blocks
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Rejected
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.form import Span
from bertkit.corpus.forms.mediawiki import FORM, dump, spans_of
from bertkit.errors import DataError
from corpus.forms import dividing, reading

from .test_dump import HEAD, page, read


def single_stream(pack=bz2.compress, *, level: int = 1, pages: int = 160, lead: int = 0) -> bytes:
    """A dump of several blocks in one stream, whose pages are of all sizes."""
    rng = random.Random(lead)
    texts = [
        page(f"Page {i}: " + " ".join(rng.choices(WORDS, k=rng.choice([3, 300, 3000]))), i)
        for i in range(pages)
    ]
    whole = HEAD + " " * (lead % 3) + "".join(texts) + "</mediawiki>\n"
    return pack(whole.encode(), level)


WORDS = [hashlib.md5(bytes([i])).hexdigest()[: 2 + i % 9] for i in range(250)]


def by_program(blob: bytes, level: int) -> bytes:
    if not shutil.which("bzip2"):
        pytest.skip("no bzip2 on this machine")
    return subprocess.run(
        ["bzip2", f"-{level}"], input=blob, capture_output=True, check=True
    ).stdout


def shared_out(path: str, size: int, **more) -> list:
    """What the spans of a file give, one after the other; `more` as for `reading.read`."""
    spans = spans_of(path, size)
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    return [item for span in spans for item in reading.read(FORM, path, span=span, **more)]


@pytest.mark.parametrize("size", [1, 30_000, 90_000, 10**9])
@pytest.mark.parametrize(
    ("pack", "level"),
    [(bz2.compress, 1), (by_program, 1), pytest.param(bz2.compress, 9, marks=pytest.mark.slow)],
)
def test_one_stream_is_cut_between_its_blocks(tmp_path, pack, level, size):
    path = tmp_path / "single.xml.bz2"
    path.write_bytes(single_stream(pack, level=level, pages=160 if level == 1 else 500))
    whole = read(str(path))
    assert len(whole) == (160 if level == 1 else 500)
    assert shared_out(str(path), size) == whole
    spans = spans_of(str(path), size)
    assert (len(spans) > 1) == (size < 10**9)
    # A page is longer than a span here, and some spans have none that begins in them.
    assert size > 1 or len([span for span in spans if not read(str(path), span=span)]) > 0


@pytest.mark.parametrize("tag", ["<page>", "</page>"])
def test_tags_on_the_border_of_two_blocks(tmp_path, tag):
    """Wherever a border goes through a tag, the page is there once."""
    packed = bz2.compress(runless(150_000).encode(), 1)
    border = len(next(iter(Bzip2Blocks(io.BytesIO(packed).read))))
    begin, end = (HEAD + page("First.", 1) + page("|", 2)).split("|")
    rest = end + page("Third.", 3) + page(runless(150_000), 4) + "</mediawiki>\n"
    for inside in range(len(tag) + 1):
        text = begin + runless(border - inside - len(begin) - rest.index(tag)) + rest
        assert text[border - inside :].startswith(tag)
        path = tmp_path / f"{inside}.xml.bz2"
        path.write_bytes(bz2.compress(text.encode(), 1))
        assert next(iter(Bzip2Blocks(io.BytesIO(path.read_bytes()).read))) == text[:border].encode()
        whole = read(str(path))
        assert [item.title for item in whole] == ["T1", "T2", "T3", "T4"]
        assert len(spans_of(str(path), 1)) > 2
        assert shared_out(str(path), 1) == whole


def runless(size: int) -> str:
    """Text of this length of which a block always holds the same number of bytes."""
    return ("abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]


def filled(size: int) -> str:
    return " ".join(random.Random(7).choices(WORDS, k=size // 3))[:size]


def test_streams_that_end_within_pages(tmp_path):
    """As pbzip2 and lbzip2 pack: streams of equal size, wherever pages begin."""
    text = bz2.decompress(single_stream())
    path = tmp_path / "parallel.xml.bz2"
    pieces = [text[at : at + 40_001] for at in range(0, len(text), 40_001)]
    path.write_bytes(b"".join(map(bz2.compress, pieces)))
    whole = read(str(path))
    assert len(whole) == 160
    for size in (1, 15_000, 60_000):
        assert len(spans_of(str(path), size)) > 1
        assert shared_out(str(path), size) == whole


def test_long_streams_are_cut_and_short_ones_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "_NEAR", 1)
    long, short = single_stream(), [bz2.compress(page(f"S{i}", i).encode()) for i in range(9)]
    path = tmp_path / "mixed.xml.bz2"
    path.write_bytes(long + b"".join(short))
    spans = spans_of(str(path), 30_000)
    streams = [span for span in spans[1:] if path.read_bytes()[span.start :].startswith(b"BZh")]
    assert len(spans) > 4
    assert len(streams) < 2
    assert shared_out(str(path), 30_000) == read(str(path))


def test_a_page_without_an_end_and_one_too_large_cost_themselves(tmp_path):
    texts = [page(filled(40_000), i) for i in range(12)]
    texts[4] = texts[4].replace("</page>", "")
    texts[6] = page(filled(120_000) * 2, 6)
    path = tmp_path / "bad.xml.bz2"
    path.write_bytes(bz2.compress((HEAD + "".join(texts)).encode(), 1))
    whole = reading.read(FORM, path, 100_000)
    assert [type(item).__name__ for item in whole].count("Rejected") == 2
    found = shared_out(str(path), 20_000, max_bytes=100_000)
    # Those are named by the span that they begin in.
    assert list(map(unplaced, found)) == list(map(unplaced, whole))


def unplaced(item):
    return replace(item, id="") if isinstance(item, Rejected) else item


def test_damage_ends_the_part_that_reads_it(tmp_path):
    path = tmp_path / "damaged.xml.bz2"
    blob = bytearray(single_stream())
    clean = spans_of(write_bytes(path, blob), 60_000)
    blob[clean[2].start + 20_000] ^= 1
    spans = spans_of(write_bytes(path, blob), 60_000)
    failed = [span for span in spans if message_of(str(path), span)]
    assert failed
    assert all(span.start <= clean[2].start + 20_000 for span in failed)
    assert failed != spans
    assert "damaged" in message_of(str(path), None)
    assert all("damaged" in message_of(str(path), span) for span in failed)


def message_of(path: str, span: Span | None) -> str:
    try:
        read(path, span=span)
    except DataError as error:
        return str(error)
    return ""


def write_bytes(path, blob) -> str:
    path.write_bytes(blob)
    return str(path)


def test_parts_of_one_stream_make_what_one_part_is(tmp_path):
    path = tmp_path / "single.xml.bz2"
    path.write_bytes(single_stream())
    lines = ExtractConfig(splitter="lines")
    one = extract([str(path)], str(tmp_path / "one"), lines, workers=1)
    many = extract([str(path)], str(tmp_path / "many"), lines, workers=1, part_bytes=50_000)
    assert (one.parts, many.parts > 3) == (1, True)
    assert dividing.joined(tmp_path / "many") == dividing.joined(tmp_path / "one")
    counts = [(done.documents, done.sentences, done.skipped, done.empty) for done in (one, many)]
    assert counts[0] == counts[1]
