from __future__ import annotations

import io
import tarfile

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.pmc import FORM as PMC
from bertkit.corpus.forms.xml.articles import pmc_article
from corpus.forms.reading import read

LIMIT = 64_000_000


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


def test_real_articles_are_read(shared):
    for path in sorted((shared / "data/pubmed").rglob("*.nxml")):
        (article,) = read(PMC, path)
        assert isinstance(article, RawDocument)
        assert len(article.text) > 10_000
        assert article.text.startswith(article.title)
        assert "documentclass" not in article.text


def article(
    body: str, front: str = "<title-group><article-title>T <i>x</i></article-title></title-group>"
) -> str:
    meta = f"<front><article-meta>{front}</article-meta></front>"
    return f'<article article-type="x">{meta}<body>{body}</body></article>'


def text_of(xml: str, coding: str = "utf-8") -> list[str]:
    found = pmc_article(xml.encode(coding), "x", LIMIT)
    assert isinstance(found, RawDocument), found
    return found.text.split("\n\n")


def test_nested_text_headings_and_short_paragraphs_are_kept():
    body = (
        "<sec><label>1</label><title>Methods</title><p>We used <i>E. <b>coli</b></i> K12.</p>"
        "<p>It grew.</p><list><list-item><p>one</p></list-item></list></sec>"
    )
    assert text_of(article(body)) == ["T x.", "Methods", "We used E. coli K12.", "It grew.", "one"]


def test_tables_formula_sources_and_citation_marks_are_left_out():
    body = (
        '<p>Mice<sup><xref ref-type="bibr">1</xref>,<xref ref-type="bibr">2</xref></sup> ran 10'
        '<sup>3</sup> m [<xref ref-type="bibr">4</xref>] fast<xref ref-type="bibr"><sup>5</sup>'
        "</xref>.</p><table-wrap><caption><p>Runs.</p></caption><table><tr><td>7</td></tr></table>"
        "</table-wrap><p>So <inline-formula><alternatives><tex-math>\\x</tex-math>"
        "<mml:math xmlns:mml='u'><mml:mi>x</mml:mi></mml:math></alternatives></inline-formula>.</p>"
    )
    assert text_of(article(body))[1:] == ["Mice ran 103 m [4] fast.", "Runs.", "So x."]


def test_translations_are_left_out_and_answers_kept():
    other = '<sub-article article-type="{}"><body><p>{}</p></body></sub-article>'
    xml = article("<p>One.</p>").replace(
        "</article>",
        other.format("translation", "Un.") + other.format("reply", "Re.") + "</article>",
    )
    assert text_of(xml) == ["T x.", "One.", "Re."]


def test_declared_encodings_and_bombs_in_them():
    xml = "<?xml version='1.0' encoding='{}'?>" + article("<p>caf\u00e9</p>")
    for name in ("iso-8859-1", "utf-16", "windows-1252", "gb18030"):
        assert text_of(xml.format(name), name)[-1] == "caf\u00e9"
    bomb = '<!DOCTYPE article [<!ENTITY b "aa">]><article>&b;</article>'.encode("utf-16")
    found = pmc_article(bomb, "x", LIMIT)
    assert isinstance(found, Rejected)
    assert "entities" in found.reason
    assert isinstance(pmc_article(b"<?xml version='1.0' encoding='no'?><a/>", "x", LIMIT), Rejected)


def test_a_deep_article_does_not_exhaust_the_stack():
    deep = "<sec>" * 50_000 + "<p>x</p>" + "</sec>" * 50_000
    assert text_of(article(deep)) == ["T x.", "x"]


def test_several_articles_in_one_file(tmp_path):
    path = tmp_path / "set.xml"
    path.write_text(
        f"<pmc-articleset>{article('<p>One.</p>')}{article('<p>Two.</p>')}</pmc-articleset>"
    )
    assert PMC.signature(path.read_bytes())
    assert [item.text for item in read(PMC, path)] == ["T x.\n\nOne.", "T x.\n\nTwo."]
