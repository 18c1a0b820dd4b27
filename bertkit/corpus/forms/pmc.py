"""Reads PubMed Central's open access articles: one JATS XML file (.nxml) each."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Found
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.pubmed import root_element
from bertkit.corpus.raw_file import RawFile

_JATS = (b"JATS", b"NLM//DTD", b"article-type")


def is_pmc(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin a JATS article."""
    return root_element(head) == b"article" and any(mark in head for mark in _JATS)


def read_pmc(file: RawFile, options: ReadOptions) -> Iterator[Found]:
    """The article of a file; see `pubmed_xml.read_pmc`."""
    from bertkit.corpus.forms import pubmed_xml

    return pubmed_xml.read_pmc(file, options.max_bytes)


FORM = Form(name="pmc", help="nxml articles", read=read_pmc, signature=is_pmc, chains=("cerebras",))
