"""Parses the XML of PubMed abstracts and PubMed Central articles, as Cerebras does.

Cerebras' scripts (modelzoo R_1.7.0, data_processing/scripts/pubmed) read them with
pubmed_parser 0.3 and keep the lines of at least 30 characters. The rules here give the
same lines from the XML; `cerebras_article` writes them in the same bytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.forms.xml_elements import elements
from bertkit.corpus.raw_file import RawFile, open_source

# Shorter lines are labels and headings.
SHORTEST = 30


def read_pubmed(file: str | RawFile, max_bytes: int) -> Iterator[RawDocument | Rejected | Skipped]:
    """The abstracts of a baseline or update file, one paragraph per line of the abstract.

    Args:
        file: .xml or .xml.gz.
        max_bytes: of the XML of a record; a larger one is rejected.

    Yields:
        `RawDocument` per abstract; `Skipped` for a record without one and for each
        deleted record; `Rejected` for a record that is damaged or too large.

    Raises:
        DataError: the file cannot be read, or its compression is damaged.
    """
    with open_source(file) as stream:
        blocks = iter(lambda: stream.read(PIECE), b"")
        found = elements(blocks, ("PubmedArticle", "DeleteCitation"), max_bytes)
        for number, blob in enumerate(found, start=1):
            place = f"{file}, record {number}"
            if blob is None:
                yield Rejected(place, f"more than {max_bytes:,} bytes, or never closed")
                continue
            try:
                root = _parsed(blob)
            except (ElementTree.ParseError, ValueError) as error:
                yield Rejected(place, f"not well-formed: {error}")
                continue
            if root.tag == "DeleteCitation":
                yield from (Skipped("deleted") for _ in root.findall("PMID"))
            else:
                yield _abstract(root, place)


def read_pmc(file: str | RawFile, max_bytes: int) -> Iterator[RawDocument | Rejected | Skipped]:
    """The one article of an .nxml file: title, abstract and the paragraphs of the body.

    Raises:
        DataError: the file cannot be read.
    """
    with open_source(file) as stream:
        blob = stream.read(max_bytes + 1)
    yield pmc_article(blob, str(file), max_bytes)


def pmc_article(blob: bytes, place: str, max_bytes: int) -> RawDocument | Rejected | Skipped:
    """An article from the bytes of an .nxml file.

    Args:
        blob: the file.
        place: what names it in messages.
        max_bytes: a larger one is rejected.
    """
    if len(blob) > max_bytes:
        return Rejected(place, f"more than {max_bytes:,} bytes")
    if b"<!ENTITY" in blob:
        return Rejected(place, "declares entities of its own, which is refused")
    try:
        root = _parsed(blob)
    except (ElementTree.ParseError, ValueError) as error:
        return Rejected(place, f"not well-formed: {error}")
    for node in root.iter():
        if isinstance(node.tag, str):
            node.tag = node.tag.rpartition("}")[2]
    title = _pmc_title(root)
    body = [f"{title}.", *_long_lines(_pmc_abstract(root)), *_pmc_body(root)]
    return RawDocument(place, title, "\n\n".join(body))


def cerebras_article(document: RawDocument | Skipped) -> bytes:
    """An article in Cerebras' form: its paragraphs on one line, then a blank line.

    A deleted record leaves a blank line there, a record without an abstract nothing.
    """
    if isinstance(document, Skipped):
        return b"\n\n" if document.kind == "deleted" else b""
    lines = document.text.split("\n\n") if document.text else []
    return ("".join(f"{line} " for line in lines) + "\n\n").encode("utf-8")


def _parsed(blob: bytes) -> Element:
    # The reference's parser counts comments and instructions among an element's children.
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    parser = ElementTree.XMLParser(target=builder)
    parser.feed(blob)
    root: Element = parser.close()
    return root


def _abstract(root: Element, place: str) -> RawDocument | Skipped:
    number = root.findtext("MedlineCitation/PMID") or place
    article = root.find("MedlineCitation/Article")
    texts = article.findall("Abstract/AbstractText") if article is not None else []
    if len(texts) > 1:
        # Labels are lines of their own, so the rule of 30 characters decides on them too.
        parts: list[str] = []
        for text in texts:
            label = text.get("Label", "")
            parts += ["\n", label] if label != "UNASSIGNED" else []
            parts.append(_shallow_text(text).strip())
        abstract = "\n".join(parts).strip()
    elif texts:
        abstract = _shallow_text(texts[0]).strip()
    else:
        whole = article.find("Abstract") if article is not None else None
        abstract = _shallow_text(whole).strip() if whole is not None else ""
    if not abstract:
        return Skipped("no abstract")
    return RawDocument(number, "", "\n\n".join(_long_lines(abstract)))


def _pmc_title(root: Element) -> str:
    node = root.find(".//title-group/article-title")
    if node is None:
        return ""
    texts = list(_texts(node))
    for subtitle in root.iterfind(".//title-group/subtitle"):
        texts += [text for text in (subtitle.text, *(child.tail for child in subtitle)) if text]
    return " ".join(_spaced(text) for text in texts)


def _pmc_abstract(root: Element) -> str:
    return " ".join(
        _spaced(text).strip() for node in root.iterfind(".//abstract") for text in _texts(node)
    )


def _pmc_body(root: Element) -> Iterator[str]:
    """The lines of every paragraph, a long section title before them."""
    parents = {child: parent for parent in root.iter() for child in parent}
    seen: set[Element] = set()
    for body in root.iter("body"):
        for paragraph in body.iter("p"):
            if paragraph in seen:
                continue
            seen.add(paragraph)
            title = parents[paragraph].find("title")
            section = _shallow_text(title).strip() if title is not None else ""
            if len(section) > SHORTEST:
                yield f"{section}."
            yield from _long_lines(_shallow_text(paragraph), 0)


def _long_lines(text: str, shortest: int = SHORTEST) -> list[str]:
    return [line.strip() for line in text.splitlines() if len(line) >= shortest]


def _shallow_text(node: Element) -> str:
    """Own text, that of the children (not deeper), and what follows the element."""
    parts = [node.text]
    for child in node:
        parts += [_own_text(child), child.tail]
    return "".join(part for part in (*parts, node.tail) if part)


def _own_text(node: Element) -> str | None:
    tag: object = node.tag
    if tag is ElementTree.ProcessingInstruction:
        return (node.text or "").partition(" ")[2]
    return node.text


def _texts(node: Element) -> Iterator[str]:
    """Every piece of text inside an element, in order."""
    if text := _own_text(node):
        yield text
    for child in node:
        yield from _texts(child)
        if child.tail:
            yield child.tail


def _spaced(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")
