"""Formats PubMed abstracts and PubMed Central articles as Cerebras' scripts do, losses included.

Cerebras' scripts (modelzoo R_1.7.0, data_processing/scripts/pubmed) read them with
pubmed_parser 0.3, which loses text in nested elements, and keep the lines of at least 30
characters. The rules here give the same lines from the XML; `cerebras_article` writes
them in the same bytes. Without `--chain cerebras`, `forms.xml` reads these files.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bertkit.corpus.document import Found, RawDocument, Rejected, Skipped
from bertkit.corpus.forms.xml.articles import parsed_article
from bertkit.corpus.forms.xml.elements import elements
from bertkit.corpus.forms.xml.source import opened
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError

# Shorter lines are labels and headings.
SHORTEST = 30


def read_reference(path: str, form: str, max_bytes: int) -> Iterator[Found]:
    """The abstracts of a baseline or update file, or the article of an .nxml file.

    Args:
        path: .xml, .xml.gz or .nxml.
        form: `pubmed` or `pmc`.
        max_bytes: of the XML of a record or of an article; a larger one is rejected.

    Yields:
        `RawDocument` per abstract, whose paragraphs are its lines; `Skipped` for a record
        without one and for each deleted record; `Rejected` for one damaged or too large.

    Raises:
        DataError: the file cannot be read, or its compression is damaged.
    """
    with RawFile.of(path).open() as stream:
        if form == "pmc":
            yield _pmc(stream.read(max_bytes + 1), path, max_bytes)
        else:
            yield from _pubmed(opened(stream)[1], path, max_bytes)


def _pubmed(blocks: Iterator[bytes], path: str, max_bytes: int) -> Iterator[Found]:
    found = elements(blocks, ("PubmedArticle", "DeleteCitation"), max_bytes)
    for number, blob in enumerate(found, start=1):
        place = f"{path}, record {number}"
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


def _pmc(blob: bytes, place: str, max_bytes: int) -> RawDocument | Rejected:
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    try:
        root = parsed_article(blob, max_bytes, builder)
    except DataError as error:
        return Rejected(place, error.message)
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
