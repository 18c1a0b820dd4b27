from __future__ import annotations

import pytest

from bertkit.corpus.forms.pubmed import is_pubmed, root_element


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<a>", b"a"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<PubmedArticleSet>", b"PubmedArticleSet"),
        (b"<!-- <x> --> <!DOCTYPE y [<!ENTITY z 'w'>]>\n<y-z a='b'>", b"y-z"),
        (b"text <a>", b""),
        (b"<!-- never closed <a>", b""),
        (b"", b""),
    ],
)
def test_root_element(head, name):
    assert root_element(head) == name


def test_real_samples_are_recognised(shared):
    import gzip

    for path in (shared / "data/pubmed").rglob("pubmed*.xml.gz"):
        assert is_pubmed(gzip.decompress(path.read_bytes())[:1024])
    for path in (shared / "data/pubmed").rglob("*.nxml"):
        assert not is_pubmed(path.read_bytes()[:1024])
