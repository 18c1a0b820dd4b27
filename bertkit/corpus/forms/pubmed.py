"""Reads PubMed's abstracts from the XML of the yearly baseline and the daily updates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.corpus.document import Found
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.raw_file import RawFile

# The name of the first element, behind declarations, comments and a DOCTYPE.
_ROOT = re.compile(
    rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>\s*)*<([\w-]+)", re.DOTALL
)


def root_element(head: bytes) -> bytes:
    """The name of the root element that the first bytes of an XML file open; empty for none."""
    found = _ROOT.match(head.removeprefix(b"\xef\xbb\xbf"))
    return found.group(1) if found else b""


def is_pubmed(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin a set of PubMed records."""
    return root_element(head) == b"PubmedArticleSet"


def read_pubmed(file: RawFile, options: ReadOptions) -> Iterator[Found]:
    """The abstracts of a file; see `pubmed_xml.read_pubmed`."""
    from bertkit.corpus.forms import pubmed_xml

    return pubmed_xml.read_pubmed(file, options.max_bytes)


FORM = Form(
    name="pubmed",
    help="baseline and update XML",
    read=read_pubmed,
    signature=is_pubmed,
    chains=("cerebras",),
)
