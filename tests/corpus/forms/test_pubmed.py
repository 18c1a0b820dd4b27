from __future__ import annotations

from bertkit.corpus.forms.pubmed import is_pubmed


def test_real_samples_are_recognised(shared):
    import gzip

    for path in (shared / "data/pubmed").rglob("pubmed*.xml.gz"):
        assert is_pubmed(gzip.decompress(path.read_bytes())[:1024])
    for path in (shared / "data/pubmed").rglob("*.nxml"):
        assert not is_pubmed(path.read_bytes()[:1024])
