"""Ten gigabytes of zeros in a few kilobytes: refused long before their end.

What follows the zeros is damaged, so that a reader that went all the way would tell of
damage, and after a minute; nothing here measures time.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import tarfile
import tracemalloc
from dataclasses import replace

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Rejected
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.tar import FORM as TAR
from bertkit.errors import DataError
from corpus.forms.reading import read

PACK = {
    "xz": functools.partial(lzma.compress, preset=0),
    "bz2": bz2.compress,
    "gz": functools.partial(gzip.compress, compresslevel=9),
}
GIGABYTES = 10
PIECE = 50_000_000


@functools.cache
def zeros(kind: str) -> bytes:
    """Ten gigabytes, packed, then damage."""
    return PACK[kind](bytes(PIECE)) * (GIGABYTES * 10**9 // PIECE) + b"damage"


def head_of(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = GIGABYTES * 10**9
    return info.tobuf(tarfile.GNU_FORMAT)


HEADS = {
    "dump.xml": b"<mediawiki>\n<page><text>",
    "pubmed.xml": b"<PubmedArticleSet><PubmedArticle>",
    "corpus.tar": head_of("zeros.txt"),
    "rows.jsonl": b'{"text": "',
    "wiki_00": b'<doc id="1" url="" title="A">\n',
}
QUICK = {("dump.xml", "bz2"), ("corpus.tar", "xz"), ("rows.jsonl", "gz")}
CASES = [
    pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.slow)
    for name in HEADS
    for kind in PACK
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_bomb_is_refused(tmp_path, name, kind):
    path = tmp_path / f"{name}.{kind}"
    path.write_bytes(PACK[kind](HEADS[name]) + zeros(kind))
    config = ExtractConfig(splitter="lines", max_document_megabytes=1)
    with pytest.raises(DataError, match=r"decompression bomb|like binary data"):
        extract([str(path)], str(tmp_path / "out"), config, workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["xz"])
def test_bomb_as_a_text_file_ends_at_the_limit_of_a_document(tmp_path, kind):
    path = tmp_path / f"a.txt.{kind}"
    path.write_bytes(zeros(kind))
    (tmp_path / "b.txt").write_text("Good.\n")
    config = ExtractConfig(splitter="lines", max_document_megabytes=1)
    inputs = [str(tmp_path / "*.txt*")]
    result = extract(inputs, str(tmp_path / "auto"), config, workers=1)
    assert (result.documents, result.left_out) == (1, 1)  # binary data
    config = replace(config, form="text")
    result = extract(inputs, str(tmp_path / "out"), config, workers=1)
    assert (result.documents, result.rejected) == (1, 1)


@pytest.mark.parametrize("kind", ["gz"])
def test_bomb_within_an_archive_costs_that_member(tmp_path, kind):
    bomb = tmp_path / f"inner.tar.{kind}"
    bomb.write_bytes(PACK[kind](head_of("zeros.txt")) + zeros(kind))
    (tmp_path / "good.txt").write_text("good\n")
    path = tmp_path / "outer.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(bomb, bomb.name)
        archive.add(tmp_path / "good.txt", "good.txt")
    tracemalloc.start()
    *inner, last = read(TAR, path, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(isinstance(item, Rejected) for item in inner)
    assert "decompression bomb" in inner[-1].reason
    assert last.text == "good\n"
    assert peak < len(bomb.read_bytes()) + 20_000_000
