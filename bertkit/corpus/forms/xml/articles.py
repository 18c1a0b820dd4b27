"""Reads the articles of PubMed Central from their JATS XML.

A document is an article: its title, abstract and body, each paragraph, heading, list item
and caption a paragraph. Tables, formulas' TeX, labels, reference lists and marks of
citations that are set as superscripts are left out, and so are translations.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from bertkit.corpus.document import Found, RawDocument, Rejected
from bertkit.corpus.forms.xml.elements import elements_within
from bertkit.corpus.forms.xml.source import as_utf8
from bertkit.corpus.forms.xml.text import local_name, paragraphs_in
from bertkit.errors import DataError

_NO_PROSE = (
    "table tex-math alt-text long-desc object-id label permissions ref-list table-wrap-foot "
    "graphic media inline-graphic annotation annotation-xml citation-mark"
)
_LEFT_OUT = frozenset(_NO_PROSE.split())
_ENDS = (".", "!", "?")
_MARKS = frozenset(" ,;-–—[]()*†‡\n\t\u00a0")


def read_set(blocks: Iterable[bytes], place: str, max_bytes: int) -> Iterator[Found]:
    """The articles of a `pmc-articleset`.

    Args:
        blocks: the file in UTF-8.
        place: names the file in messages.
        max_bytes: of the XML of an article; a larger one is rejected.
    """
    found = elements_within(place, "pmc-articleset", blocks, ("article",), max_bytes)
    for number, blob in enumerate(found, start=1):
        where = f"{place}, article {number}"
        if blob is None:
            yield Rejected(where, f"more than {max_bytes:,} bytes, or never closed")
        else:
            yield pmc_article(blob, where, max_bytes)


def pmc_article(blob: bytes, place: str, max_bytes: int) -> RawDocument | Rejected:
    """An article from the bytes of an .nxml file.

    Args:
        blob: the file, in any encoding that it declares.
        place: what names it in messages.
        max_bytes: a larger one is rejected.
    """
    try:
        root = parsed_article(blob, max_bytes)
    except DataError as error:
        return Rejected(place, error.message)
    for node in root.iter():
        node.tag = local_name(node)
    _name_citation_marks(root)
    title = _title(root)
    return RawDocument(place, title, "\n\n".join(_paragraphs(root, title)))


def parsed_article(blob: bytes, max_bytes: int, builder: object = None) -> Element:
    """The root element of a whole file.

    Raises:
        DataError: too large, not well-formed, or with entities of its own.
    """
    if len(blob) > max_bytes:
        raise DataError(f"more than {max_bytes:,} bytes")
    text = as_utf8(blob)
    if b"<!ENTITY" in text:
        raise DataError("declares entities of its own, which is refused")
    try:
        parser = ElementTree.XMLParser(target=builder, encoding="utf-8")
        parser.feed(text)
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"not well-formed: {error}") from error
    return root


def _paragraphs(root: Element, title: str) -> Iterator[str]:
    if title:
        yield title if title.endswith(_ENDS) else f"{title}."
    for part in _parts(root):
        yield from paragraphs_in(part, _LEFT_OUT)


def _title(root: Element) -> str:
    group = root.find(".//title-group")
    if group is None:
        return ""
    nodes = [node for node in group if node.tag in ("article-title", "subtitle")]
    return " ".join(line for node in nodes for line in paragraphs_in(node, ("xref", "fn")))


def _parts(root: Element) -> Iterator[Element]:
    """Abstracts and bodies in their order; none within another, none of a translation."""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.tag in ("abstract", "body"):
            yield node
        elif node.get("article-type") != "translation" or node is root:
            todo.extend(reversed(node))


def _name_citation_marks(root: Element) -> None:
    """Mark the superscripts that are numbers of references or footnotes, and nothing else."""
    for node in root.iter():
        if (node.tag == "sup" and _holds_only(node, "xref") and all(map(_refers, node))) or (
            node.tag == "xref" and _holds_only(node, "sup") and _refers(node)
        ):
            node.tag = "citation-mark"


def _holds_only(node: Element, tag: str) -> bool:
    """Whether an element has such children, and between them at most commas and the like."""
    around = (node.text, *(child.tail for child in node))
    return (
        len(node) > 0
        and all(child.tag == tag for child in node)
        and all(set(text or "") <= _MARKS for text in around)
    )


def _refers(node: Element) -> bool:
    return node.get("ref-type") in ("bibr", "fn")
