from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.forms.pmc import FORM as PMC
from bertkit.corpus.forms.pubmed import FORM as PUBMED
from bertkit.corpus.forms.pubmed_xml import cerebras_article, pmc_article
from bertkit.errors import DataError
from corpus.forms.reading import read

LIMIT = 64_000_000
GOLDENS = {
    "abstracts.pubmed20n1016.txt": "baseline_other/pubmed20n1016.xml.gz",
    "abstracts.pubmed21n0001.txt": "baseline_other/pubmed21n0001.xml.gz",
    "abstracts.pubmed21n1003.txt": "baseline_other/pubmed21n1003.xml.gz",
    "fulltext.1471-2180-11-174.txt": "pmc_nxml/1471-2180-11-174.nxml",
    "fulltext.pntd_0002065.txt": "pmc_nxml/pntd.0002065.nxml",
}


@pytest.mark.parametrize("golden", GOLDENS)
def test_bytes_are_those_of_the_reference(shared, tmp_path, golden):
    source = shared / "data/pubmed" / GOLDENS[golden]
    wanted = (shared / "goldens/pubmed" / golden).read_bytes()
    form = "pmc" if source.suffix == ".nxml" else "pubmed"
    assert detect_form(str(source)).name == form
    config = ExtractConfig(chain="cerebras", form=form)
    result = extract([str(source)], str(tmp_path / "out"), config, workers=1)
    assert result.rejected == 0
    assert (tmp_path / "out/part-00000-of-00001.txt").read_bytes() == wanted


def test_every_real_sample_is_read(shared):
    folder = shared / "data/pubmed"
    for path in sorted(folder.rglob("*.xml*")):
        if path.suffix == ".md5":
            continue
        found = read(PUBMED, path)
        assert found
        assert not [item for item in found if isinstance(item, Rejected)]
    for path in sorted(folder.rglob("*.nxml")):
        (article,) = read(PMC, path)
        assert isinstance(article, RawDocument)
        assert len(article.text) > 10_000


def test_own_chain_gives_sentences_and_counts_deleted_records(shared, tmp_path):
    source = shared / "data/pubmed/baseline_other/pubmed20n1016.xml.gz"
    result = extract([str(source)], str(tmp_path / "out"), ExtractConfig(), workers=1)
    # 26 articles, one without an abstract; 260 deletions (see the reference's blank lines).
    found = read(PUBMED, source)
    deleted = sum(item == Skipped("deleted") for item in found)
    assert result.skipped["deleted"] == deleted > 200
    assert result.documents == sum(isinstance(item, RawDocument) for item in found)
    assert result.sentences > 5 * result.documents


def record(body: str) -> str:
    return (
        "<PubmedArticle><MedlineCitation><PMID>7</PMID><Article><Abstract><AbstractText>"
        f"{body}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>"
    )


def test_damaged_record_costs_itself_alone(tmp_path):
    text = "This sentence is long enough to be kept."
    rows = [record(text), record("a & b"), record("&lol;"), record("x" * 2000), record(text)]
    bomb = '<!DOCTYPE x [<!ENTITY lol "ha">]>'
    blob = f"<?xml version='1.0'?>{bomb}<PubmedArticleSet>{''.join(rows)}".encode()
    path = tmp_path / "a.xml.gz"
    path.write_bytes(gzip.compress(blob + record("\udcff").encode("utf-8", "surrogateescape")))
    assert detect_form(str(path)).name == "pubmed"
    found = read(PUBMED, path, 1000)
    kinds = [type(item).__name__ for item in found]
    assert kinds == ["RawDocument", "Rejected", "Rejected", "Rejected", "RawDocument", "Rejected"]
    assert [item.text for item in found if isinstance(item, RawDocument)] == [text, text]


def test_cut_off_file_is_one_clear_error(shared, tmp_path):
    blob = (shared / "data/pubmed/baseline/pubmed26n1334.xml.gz").read_bytes()
    path = tmp_path / "a.xml.gz"
    path.write_bytes(blob[:-500])
    with pytest.raises(DataError, match="truncated"):
        read(PUBMED, path)


def test_entity_bomb_in_an_article_is_refused():
    bomb = '<!DOCTYPE article [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><article>&b;</article>'
    found = pmc_article(bomb.encode(), "x", LIMIT)
    assert isinstance(found, Rejected)
    assert "entities" in found.reason
    assert isinstance(pmc_article(b"<article>", "x", LIMIT), Rejected)
    assert isinstance(pmc_article(b"<article/>", "x", 3), Rejected)


def test_articles_inside_tar_archives(shared, tmp_path):
    sample = shared / "data/pubmed/pmc_nxml/pntd.0002065.nxml"
    with tarfile.open(tmp_path / "comm_use.A-B.xml.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("PLoS/pntd.0002065.nxml")
        blob = sample.read_bytes()
        info.size = len(blob)
        archive.addfile(info, io.BytesIO(blob))
    config = ExtractConfig(splitter="lines")
    source = str(tmp_path / "comm_use.A-B.xml.tar.gz")
    assert extract([source], str(tmp_path / "out"), config, workers=1).documents == 1
    text = (tmp_path / "out/part-00000-of-00001.txt").read_text()
    assert text.startswith("Serological Evidence")
    assert "<" not in text[:200]


@pytest.mark.parametrize("text", ["x\n", "<mediawiki>"])
def test_only_pubmed_goes_with_that_chain(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    config = ExtractConfig(chain="cerebras")
    with pytest.raises(DataError, match="not pubmed or pmc"):
        extract([str(tmp_path / "a.txt")], str(tmp_path / "o"), config, workers=1)


def test_blank_line_only_for_deleted_records():
    assert cerebras_article(Skipped("deleted")) == b"\n\n"
    assert cerebras_article(Skipped("no abstract")) == b""
    assert cerebras_article(RawDocument("1", "", "")) == b"\n\n"
