from __future__ import annotations

from bertkit.corpus.forms.pmc import is_pmc


def test_real_articles_are_recognised(shared):
    heads = [path.read_bytes()[:1024] for path in (shared / "data/pubmed").rglob("*.nxml")]
    assert heads
    assert all(map(is_pmc, heads))


def test_an_article_of_another_kind_is_not():
    assert not is_pmc(b"<article><title>DocBook</title>")
    assert is_pmc(b'<article article-type="research-article">')
    assert not is_pmc(b'<book article-type="x">')
