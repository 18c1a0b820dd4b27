"""Reads the records of PubMed: abstracts of articles, books and old MEDLINE files.

A document is an abstract: all character data of its AbstractText elements, each a
paragraph. Labels (`BACKGROUND`) are attributes and no text, copyright lines are left out.
An OtherAbstract repeats the abstract in another language or for other readers: it is
left out, and counted. No sentence is too short to be kept; Cerebras' reader, which drops
the short ones and text in nested elements, is `corpus.cerebras_pubmed`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bertkit.corpus.document import Found, RawDocument, Rejected, Skipped, Unparsed
from bertkit.corpus.forms.xml.elements import elements_within
from bertkit.corpus.forms.xml.text import paragraphs_in

# Root element → its records. Until 2016 a file held citations without a frame around each.
_ARTICLES = ("PubmedArticle", "PubmedBookArticle", "DeleteCitation")
RECORDS = {
    "PubmedArticleSet": _ARTICLES,
    "PubmedBookArticleSet": (*_ARTICLES, "DeleteDocument"),
    "BookDocumentSet": ("BookDocument", "DeleteDocument"),
    "MedlineCitationSet": ("MedlineCitation", "DeleteCitation"),
    "PubmedArticle": _ARTICLES,
    "PubmedBookArticle": _ARTICLES,
    "MedlineCitation": ("MedlineCitation", "DeleteCitation"),
}
_DELETED = ("DeleteCitation", "DeleteDocument")
_COPYRIGHT = ("copyrightinformation",)


@dataclass(frozen=True)
class Record(Unparsed):
    """A record as it stands in the file.

    Attributes:
        place: names it in messages.
        blob: its XML as UTF-8; None for one that is too large or never closed.
        max_bytes: how large it may be.
    """

    place: str
    blob: bytes | None
    max_bytes: int

    @property
    def size(self) -> int:
        """Bytes of its XML."""
        return len(self.blob or b"")

    def documents(self) -> Iterator[Found]:
        """Its abstract; what the record is without one, or why it cannot be read."""
        if self.blob is None:
            reason = f"more than {self.max_bytes:,} bytes, or never closed"
            yield Rejected(self.place, reason)
            return
        try:
            root = ElementTree.fromstring(self.blob)
        except (ElementTree.ParseError, ValueError) as error:
            yield Rejected(self.place, f"not well-formed: {error}")
            return
        if root.tag in _DELETED:
            yield from (Skipped("deleted") for _ in root.findall("PMID"))
        else:
            yield from _documents(root, self.place)


def read_records(
    blocks: Iterable[bytes], root: str, place: str, max_bytes: int
) -> Iterator[Record]:
    """The records of a baseline, update or EFetch file.

    Args:
        blocks: the file in UTF-8.
        root: the local name of its root element, a key of `RECORDS`.
        place: names the file in messages.
        max_bytes: of the XML of a record; a larger one is rejected.
    """
    found = elements_within(place, root, blocks, RECORDS.get(root, _ARTICLES), max_bytes)
    for number, blob in enumerate(found, start=1):
        yield Record(f"{place}, record {number}", blob, max_bytes)


def _documents(root: Element, place: str) -> Iterator[Found]:
    frame = {"PubmedArticle": "MedlineCitation", "PubmedBookArticle": "BookDocument"}.get(root.tag)
    citation = root.find(frame) if frame else root
    if citation is None:
        citation = root
    yield from (Skipped("other abstract") for _ in citation.findall("OtherAbstract"))
    article = citation.find("Article")
    if article is None:  # a book has no frame for it
        article = citation
    paragraphs = [line for whole in article.findall("Abstract") for line in _abstract(whole)]
    if not paragraphs:
        yield Skipped("no abstract")
        return
    number = citation.findtext("PMID") or citation.findtext("MedlineID") or place
    yield RawDocument(number, _title(article), "\n\n".join(paragraphs))


def _abstract(whole: Element) -> list[str]:
    """The paragraphs of an abstract; very old records hold its text without AbstractText."""
    texts = whole.findall("AbstractText")
    if not texts:
        return paragraphs_in(whole, _COPYRIGHT)
    return [line for text in texts for line in paragraphs_in(text, _COPYRIGHT)]


def _title(article: Element) -> str:
    node = article.find("ArticleTitle")
    if node is None:
        node = article.find("Book/BookTitle")
    return "" if node is None else " ".join(paragraphs_in(node))
