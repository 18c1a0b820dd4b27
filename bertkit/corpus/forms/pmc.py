"""Reads PubMed Central's open access articles: one JATS XML file (.nxml) each."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Found
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.xml.source import as_utf8, root_element
from bertkit.corpus.raw_file import RawFile

_JATS = (b"JATS", b"NLM//DTD", b"article-type")
_SET = b"pmc-articleset"


def is_pmc(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin a JATS article, or a set of them."""
    root = root_element(head)
    return root == _SET or (root == b"article" and any(mark in as_utf8(head) for mark in _JATS))


def read_pmc(file: RawFile, options: ReadOptions) -> Iterator[Found]:
    """The article of a file; see `xml.articles.pmc_article`."""
    from bertkit.corpus.forms.xml.articles import pmc_article, read_set
    from bertkit.corpus.forms.xml.source import opened

    with file.open() as stream:
        root, blocks = opened(stream)
        if root == _SET:
            yield from read_set(blocks, str(file), options.max_bytes)
            return
        blob = b""
        while len(blob) <= options.max_bytes and (block := next(blocks, b"")):
            blob += block
    yield pmc_article(blob, str(file), options.max_bytes)


FORM = Form(
    name="pmc",
    help="articles in JATS XML, .nxml",
    read=read_pmc,
    signature=is_pmc,
    chains=("cerebras",),
)
