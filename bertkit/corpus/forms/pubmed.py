"""Reads PubMed's abstracts from the XML of the yearly baseline and the daily updates."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.xml.source import root_element
from bertkit.corpus.raw_file import RawFile

# The root elements of PubMed's files: sets of records, of today and of before 2017, or one.
_ROOTS = {
    b"PubmedArticleSet",
    b"PubmedBookArticleSet",
    b"BookDocumentSet",
    b"MedlineCitationSet",
    b"PubmedArticle",
    b"PubmedBookArticle",
    b"MedlineCitation",
}


def is_pubmed(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin a set of PubMed records."""
    return root_element(head) in _ROOTS


def read_pubmed(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The records of a file; see `xml.abstracts.read_records`."""
    from bertkit.corpus.forms.xml.abstracts import read_records
    from bertkit.corpus.forms.xml.source import opened

    with file.open() as stream:
        root, blocks = opened(stream)
        yield from read_records(blocks, root.decode(), str(file), options.max_bytes)


FORM = Form(
    name="pubmed",
    help="abstracts in baseline, update and older XML",
    read=read_pubmed,
    signature=is_pubmed,
    chains=("cerebras",),
)
