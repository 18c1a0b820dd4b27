from __future__ import annotations

import bz2
import random

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction import extract as extraction
from bertkit.corpus.extraction import parallel as extract_parallel
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.extraction.parallel import batches_of, make_part_together
from bertkit.corpus.extraction.part import Part, make_part
from bertkit.errors import DataError
from corpus.forms.mediawiki.test_dump import HEAD, page

LINES = ExtractConfig(splitter="lines")
SMALL = ExtractConfig(splitter="lines", max_document_megabytes=1)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(extract_parallel, "BATCH", 10_000)


def single_stream(tmp_path) -> str:
    """All kinds of pages in one stream of bzip2."""
    pages = [page(f"Page {i} says: one. Two! Three? " + "Word. " * 200, i) for i in range(120)]
    pages[7] = page("#REDIRECT [[T1]]", 7)
    pages[8] = page("x", 8).replace("</text>", "&broken;</text>")
    pages[9] = page("", 9)
    # Several blocks of bzip2, so that damage at the end leaves the beginning whole.
    pages[10] = page(random.Random(1).randbytes(600_000).hex(), 10)
    path = tmp_path / "single.xml.bz2"
    path.write_bytes(bz2.compress((HEAD + "".join(pages) + "</mediawiki>\n").encode()))
    return str(path)


def both(path: str, tmp_path, config: ExtractConfig):
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    alone = make_part(Part("p.txt", str(tmp_path / "one"), (path,), config))
    shared = make_part_together(Part("p.txt", str(tmp_path / "many"), (path,), config), 2)
    assert shared == alone
    blob = (tmp_path / "many/p.txt").read_bytes()
    assert blob == (tmp_path / "one/p.txt").read_bytes()
    return alone[1]


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        pytest.param(LINES, marks=pytest.mark.slow),
        pytest.param(ExtractConfig(splitter="lines", limit=17), marks=pytest.mark.slow),
    ],
)
def test_single_stream_gives_the_same_part(tmp_path, small_batches, config):
    path = single_stream(tmp_path)
    assert len(list(batches_of(Part("p", "", (path,), config)))) > 5
    facts = both(path, tmp_path, config)
    if not config.limit:
        assert facts.skipped == {"redirect": 1}
        assert facts.empty == 1
        assert facts.rejected == (2 if config is SMALL else 1)


def test_openwebtext_gives_the_same_part(shared, tmp_path, small_batches):
    path = str(shared / "data/owt/mini/openwebtext.tar.xz")
    part = Part("p", "", (path,), LINES)
    assert len(list(batches_of(part))) > 1
    assert both(path, tmp_path, LINES).documents == 120


def test_real_slice_gives_the_same_part(shared, tmp_path):
    name = "bgwiki-latest-pages-articles-shortened.xml.bz2"
    assert both(str(shared / "data/wikidump" / name), tmp_path, LINES).documents > 0


@pytest.mark.parametrize("limit", [3, None])
def test_damage_is_told_only_if_it_is_reached(tmp_path, small_batches, limit):
    path = single_stream(tmp_path)
    blob = (tmp_path / "single.xml.bz2").read_bytes()
    (tmp_path / "single.xml.bz2").write_bytes(blob[:-200])
    config = ExtractConfig(splitter="lines", limit=limit, max_document_megabytes=1)
    for make, name in ((make_part, "a"), (lambda part: make_part_together(part, 2), "b")):
        (tmp_path / name).mkdir()
        part = Part("p", str(tmp_path / name), (path,), config)
        if limit:
            assert make(part)[1].documents == 3
        else:
            with pytest.raises(DataError, match="truncated"):
                make(part)
            assert list((tmp_path / name).iterdir()) == []


@pytest.mark.slow
def test_extract_shares_a_large_part_and_only_that(tmp_path, small_batches, monkeypatch):
    path = single_stream(tmp_path)
    taken: list[str] = []

    def noted(part, workers):
        taken.append(part.name)
        return make_part_together(part, workers)

    monkeypatch.setattr(extraction, "make_part_together", noted)
    small = extract([path], str(tmp_path / "small"), LINES, workers=2)
    assert taken == []
    monkeypatch.setattr(extraction, "SHARED_BYTES", 1)
    large = extract([path], str(tmp_path / "large"), LINES, workers=2)
    assert taken == ["part-00000-of-00001.txt"]
    assert large.documents == small.documents
    blobs = [(tmp_path / name / taken[0]).read_bytes() for name in ("small", "large")]
    assert blobs[0] == blobs[1]
    extract([path], str(tmp_path / "alone"), LINES, workers=1)
    assert len(taken) == 1
